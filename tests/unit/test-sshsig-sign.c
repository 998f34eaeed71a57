/*
 * Against the real ssh-keygen: the signatures are its own to the byte, and
 * private keys that it would not use, or that are not whole, are refused.
 */
#include "tests/unit/shell.h"
#include "crypto/base64.h"
#include "crypto/sshsig-sign.h"

#define NAMESPACE "snapshot.v1@muster"

static void our_signature_is_ssh_keygens(void **state) {
        static const char *const namespaces[] = { NAMESPACE, "file", "council.v1@muster" };
        const Scratch *s = *state;

        for (size_t i = 0; i < 3 * ELEMENTSOF(namespaces); i++) {
                const char *namespace = namespaces[i % ELEMENTSOF(namespaces)];
                cleanup_(ssh_private_key_freep) SshPrivateKey *key = NULL;
                cleanup_free_ char *message = malloc(1 + i * 9973), *mine = NULL, *theirs = NULL;
                cleanup_fault_ Fault fault = { 0 };
                SshSigDigests digests;
                int r;

                memset(message, (int) i, 1 + i * 9973);
                put_file(s->fd, "message", message, i * 9973, 0644);
                assert_int_equal(
                        shell(s,
                              "rm -f key* message.sig; ssh-keygen -q -t ed25519 -N '' -C '%.*s' -f key && "
                              "ssh-keygen -q -Y sign -f key -n %s message",
                              (int) i, "a comment", namespace),
                        0);
                assert_int_equal(read_small_file(s->fd, "message.sig", 4096, &theirs, NULL), 0);
                r = ssh_private_key_read(s->fd, "key", namespace, &key, &fault);
                if (r < 0)
                        fail_msg("%s", fault_text(&fault, r));
                assert_int_equal(sshsig_digest(message, i * 9973, &digests), 0);
                assert_int_equal(sshsig_sign(key, namespace, &digests, &mine, &fault), 0);
                assert_string_equal(mine, theirs);
                put_text(s->fd, "mine.sig", mine);
                assert_int_equal(
                        shell(s,
                              "echo \"alice $(cat key.pub)\" >allowed; ssh-keygen -Y verify -f allowed "
                              "-I alice -n %s -s mine.sig <message",
                              namespace),
                        0);
        }
}

static void keys_that_cannot_be_used_are_refused_with_what_to_do(void **state) {
        static const struct {
                const char *make;
                int r;
                const char *says;
        } bad[] = {
                { "true", -ENOENT, "cannot open it" },
                { "ssh-keygen -q -t ed25519 -N secret -f key", -ENOTSUP,
                  "sign by `ssh-keygen -Y sign -n " NAMESPACE " -f KEY FILE` and append FILE.sig" },
                { "ssh-keygen -q -t rsa -N '' -f key", -ENOTSUP, "key type 'ssh-rsa' is not supported" },
                { "ssh-keygen -q -t ecdsa -N '' -f key", -ENOTSUP, "ecdsa-sha2-nistp256" },
                { "ssh-keygen -q -t ed25519 -N '' -f key; chmod 640 key", -EPERM,
                  "its mode 0640 lets others" },
                { "ssh-keygen -q -t ed25519 -N '' -f key; mv key.pub key; chmod 600 key", -EBADMSG,
                  "OpenSSH's own" },
                { "ssh-keygen -q -t rsa -m PEM -N '' -f key", -ENOTSUP, "OpenSSH's own format" },
                { "ssh-keygen -q -t ed25519 -N '' -f key; sed -i '$d' key", -EBADMSG, "does not end with" },
                { "ssh-keygen -q -t ed25519 -N '' -f key; echo x >>key", -EBADMSG, "does not end with" },
                { "ssh-keygen -q -t ed25519 -N '' -f key; sed -i 3d key", -EBADMSG, "" },
                { "ssh-keygen -q -t ed25519 -N '' -f key; sed -i 's/./!/3' key", -EBADMSG, "" },
                { "mkdir -m 700 key", -EBADMSG, "no regular file" },
                { "mkfifo -m 600 key", -EBADMSG, "no regular file" },
                { "head -c 20000 /dev/zero >key; chmod 600 key", -EBADMSG, "no regular file of at most" },
                { "touch key; chmod 600 key", -EBADMSG, "OpenSSH's own" },
        };
        const Scratch *s = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_(ssh_private_key_freep) SshPrivateKey *key = NULL;
                cleanup_fault_ Fault fault = { 0 };

                assert_int_equal(shell(s, "rm -rf key key.pub; %s", bad[i].make), 0);
                assert_int_equal(ssh_private_key_read(s->fd, "key", NAMESPACE, &key, &fault), bad[i].r);
                assert_says(&fault, bad[i].says);
                assert_says(&fault, "the key 'key'");
                assert_null(key);
        }
}

static void put_key(const Scratch *s, const uint8_t *blob, size_t size) {
        put_file(s->fd, "blob", blob, size, 0600);
        assert_int_equal(shell(s, "{ echo '-----BEGIN OPENSSH PRIVATE KEY-----'; base64 blob; "
                                  "echo '-----END OPENSSH PRIVATE KEY-----'; } >damaged; chmod 600 damaged"),
                         0);
}

/* All bytes but those of the comment are checked against each other. */
static void no_damaged_byte_of_a_key_passes(void **state) {
        const Scratch *s = *state;
        cleanup_free_ uint8_t *blob = NULL;
        cleanup_free_ char *text = NULL;
        const char *end;
        size_t size;

        assert_int_equal(shell(s, "ssh-keygen -q -t ed25519 -N '' -C '' -f key"), 0);
        assert_int_equal(read_small_file(s->fd, "key", 4096, &text, NULL), 0);
        end = strstr(text, "\n-----END");
        text[strcspn(text, "\n")] = ' ';
        assert_int_equal(base64_decode(text + 36, (size_t) (end - text) - 36, &blob, &size), 0);
        for (size_t i = 0; i < size; i += 1 + (i > 20)) {
                cleanup_(ssh_private_key_freep) SshPrivateKey *key = NULL;

                blob[i] ^= 1;
                put_key(s, blob, size);
                assert_true(ssh_private_key_read(s->fd, "damaged", NAMESPACE, &key, NULL) < 0);
                blob[i] ^= 1;
        }
        put_key(s, blob, size - 1);
        for (size_t n = 0; n < 1; n++) {
                cleanup_(ssh_private_key_freep) SshPrivateKey *key = NULL;

                assert_true(ssh_private_key_read(s->fd, "damaged", NAMESPACE, &key, NULL) < 0);
                put_key(s, blob, size);
                assert_int_equal(ssh_private_key_read(s->fd, "damaged", NAMESPACE, &key, NULL), 0);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(our_signature_is_ssh_keygens, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(keys_that_cannot_be_used_are_refused_with_what_to_do,
                                                scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(no_damaged_byte_of_a_key_passes, scratch_new, scratch_free),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
