/*
 * Against the real ssh-keygen: what it signs we accept, and whatever we accept
 * it accepts, also after every possible kind of damage.
 */
#include "tests/unit/shell.h"
#include "crypto/base64.h"
#include "crypto/signers.h"
#include "crypto/sshsig.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/types.h>
#include <time.h>

/* Key pair, message, signature and allowed_signers of "alice". */
static void prepare(const Scratch *s, const char *sign_options) {
        assert_int_equal(shell(s, "ssh-keygen -q -t ed25519 -N '' -C comment -f alice"), 0);
        put_text(s->fd, "message", "release 1.0\n");
        assert_int_equal(
                shell(s, "ssh-keygen -q -Y sign -f alice -n release.v1@muster %s message", sign_options), 0);
        assert_int_equal(shell(s, "echo \"alice $(cat alice.pub)\" >allowed"), 0);
}

static char *slurp(const Scratch *s, const char *name, size_t *ret_size) {
        char *text;

        assert_int_equal(read_small_file(s->fd, name, 1024 * 1024, &text, ret_size), 0);
        return text;
}

/* 0 if the signature text is good by our rules: format, namespace, content, key on the list. */
static int ours(const Scratch *s, const char *sig_text, size_t sig_size, const char *namespace,
                Fault *reterr) {
        cleanup_(sshsig_freep) SshSig *sig = NULL;
        cleanup_(signers_freep) Signers *signers = NULL;
        cleanup_free_ char *message = NULL, *allowed = NULL;
        SshSigDigests digests;
        const char *who;
        size_t size;
        int r;

        message = slurp(s, "message", &size);
        assert_int_equal(sshsig_digest(message, size, &digests), 0);
        allowed = slurp(s, "allowed", &size);
        r = signers_parse(allowed, "allowed", &signers, reterr);
        if (r == 0)
                r = sshsig_parse(sig_text, sig_size, &sig, reterr);
        if (r == 0)
                r = sshsig_verify(sig, namespace, &digests, reterr);
        if (r == 0)
                r = signers_find(signers, sshsig_key(sig), namespace, (uint64_t) time(NULL), &who, reterr);
        if (r == 0)
                assert_string_equal(who, "alice");
        return r;
}

static int theirs(const Scratch *s, const char *sig_text, size_t sig_size, const char *namespace) {
        put_file(s->fd, "candidate.sig", sig_text, sig_size, 0644);
        return shell(s, "ssh-keygen -Y verify -f allowed -I alice -n %s -s candidate.sig <message",
                     namespace);
}

static void what_ssh_keygen_signs_is_accepted(void **state) {
        const Scratch *s = *state;
        static const char *const hashes[] = { "", "-O hashalg=sha256", "-O hashalg=sha512" };

        for (size_t i = 0; i < ELEMENTSOF(hashes); i++) {
                cleanup_fault_ Fault fault = { 0 };
                cleanup_free_ char *sig = NULL;
                size_t size;

                assert_int_equal(shell(s, "rm -f alice* message*"), 0);
                prepare(s, hashes[i]);
                sig = slurp(s, "message.sig", &size);
                assert_int_equal(theirs(s, sig, size, "release.v1@muster"), 0);
                assert_int_equal(ours(s, sig, size, "release.v1@muster", &fault), 0);
                assert_int_equal(ours(s, sig, size, "file", &fault), SSHSIG_E_NAMESPACE);
                assert_says(&fault, "signed for namespace 'release.v1@muster', expected 'file'");
                put_text(s->fd, "message", "release 1.1\n");
                assert_int_equal(ours(s, sig, size, "release.v1@muster", &fault), SSHSIG_E_BAD);
                put_text(s->fd, "message", "release 1.0\n");
                assert_int_equal(shell(s, "sed -i s/^alice/'alice namespaces=\"file,other*\"'/ allowed"), 0);
                assert_true(theirs(s, sig, size, "release.v1@muster") != 0);
                assert_int_equal(ours(s, sig, size, "release.v1@muster", &fault), SIGNERS_E_REFUSED);
                assert_int_equal(shell(s, "sed -i 's/file,other/file,release.v1/' allowed"), 0);
                assert_int_equal(theirs(s, sig, size, "release.v1@muster"), 0);
                assert_int_equal(ours(s, sig, size, "release.v1@muster", &fault), 0);
        }
}

static char *armor(const uint8_t *blob, size_t size) {
        cleanup_free_ char *base64 = calloc(1, size * 2 + 8);
        char *text;

        assert_true(EVP_EncodeBlock((unsigned char *) base64, blob, (int) size) > 0);
        assert_true(asprintf(&text, "-----BEGIN SSH SIGNATURE-----\n%s\n-----END SSH SIGNATURE-----\n",
                             base64) > 0);
        return text;
}

static uint8_t *dearmor(const char *text, size_t *ret_size) {
        const char *begin = strchr(text, '\n'), *end = strstr(text, "\n-----END");
        uint8_t *blob;

        assert_int_equal(base64_decode(begin, (size_t) (end - begin), &blob, ret_size), 0);
        return blob;
}

/* Where the format version stands: OpenSSH takes 0 for 1, we do not. */
#define VERSION_BYTE 9

static void no_damaged_byte_passes(void **state) {
        const Scratch *s = *state;
        cleanup_free_ char *text = NULL;
        cleanup_free_ uint8_t *blob = NULL;
        size_t size;

        prepare(s, "");
        text = slurp(s, "message.sig", &size);
        blob = dearmor(text, &size);
        for (size_t i = 0; i < size; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        cleanup_free_ char *damaged = NULL;

                        blob[i] ^= (uint8_t) (1 << bit);
                        damaged = armor(blob, size);
                        blob[i] ^= (uint8_t) (1 << bit);
                        assert_int_not_equal(ours(s, damaged, strlen(damaged), "release.v1@muster", NULL),
                                             0);
                        if (bit == 0 && i != VERSION_BYTE) /* and we are not alone with that */
                                assert_int_not_equal(
                                        theirs(s, damaged, strlen(damaged), "release.v1@muster"), 0);
                }
        for (size_t i = 1; i < size; i++) { /* cut off anywhere */
                cleanup_free_ char *cut = armor(blob, i);

                assert_true(ours(s, cut, strlen(cut), "release.v1@muster", NULL) < 0);
        }
}

static void the_armor_is_strict(void **state) {
        const Scratch *s = *state;
        cleanup_free_ char *text = NULL, *crlf = NULL;
        cleanup_free_ uint8_t *blob = NULL;
        size_t size, blob_size;

        prepare(s, "");
        text = slurp(s, "message.sig", &size);
        for (size_t i = 0; i < size; i++) { /* whatever we still accept, ssh-keygen must accept */
                static const char replacements[] = { 'A', '=', '\n', '-', 0, (char) 0x80 };

                for (size_t k = 0; k < sizeof replacements; k++) {
                        char old = text[i];

                        if (old == replacements[k])
                                continue;
                        text[i] = replacements[k];
                        if (ours(s, text, size, "release.v1@muster", NULL) == 0)
                                assert_int_equal(theirs(s, text, size, "release.v1@muster"), 0);
                        text[i] = old;
                }
        }
        blob = dearmor(text, &blob_size);
        free(TAKE_PTR(crlf));
        crlf = armor(blob, blob_size); /* one long line is fine */
        assert_int_equal(ours(s, crlf, strlen(crlf), "release.v1@muster", NULL), 0);
        assert_int_equal(ours(s, text, size - 1, "release.v1@muster", NULL), 0); /* no newline at the end */
        assert_int_equal(ours(s, "", 0, "release.v1@muster", NULL), -EBADMSG);
        assert_int_equal(ours(s, text, size / 2, "release.v1@muster", NULL), -EBADMSG);
}

static void keys_of_other_kinds_are_refused_by_name(void **state) {
        const Scratch *s = *state;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *sig = NULL;
        size_t size;

        put_text(s->fd, "message", "x");
        put_text(s->fd, "allowed", "");
        assert_int_equal(
                shell(s,
                      "ssh-keygen -q -t ecdsa -N '' -f key && ssh-keygen -q -Y sign -f key -n file message"),
                0);
        sig = slurp(s, "message.sig", &size);
        assert_int_equal(ours(s, sig, size, "file", &fault), -ENOTSUP);
        assert_says(&fault, "ecdsa-sha2-nistp256");
}

static void put_u32(FILE *f, size_t n) {
        fputc((int) (n >> 24), f);
        fputc((int) (n >> 16 & 0xff), f);
        fputc((int) (n >> 8 & 0xff), f);
        fputc((int) (n & 0xff), f);
}

static void put_wire(FILE *f, const void *data, size_t size) {
        put_u32(f, size);
        fwrite(data, 1, size, f);
}

#define SK_TYPE        "sk-ssh-ed25519@openssh.com"
#define SK_APPLICATION "ssh:"

/* What a security key would sign: there is none in a test, so its part is played with OpenSSL. */
static char *security_key_signature(const Scratch *s, const char *message, uint8_t flags) {
        cleanup_free_ char *inner = NULL, *key = NULL, *sig = NULL, *blob = NULL;
        uint8_t point[32], digest[64], signature[64], device[32 + 5 + 32];
        EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        cleanup_free_ char *base64 = NULL, *line = NULL;
        size_t inner_size, key_size, sig_size, blob_size, n = sizeof point;
        FILE *f;
        char *text;

        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, point, &n), 1);
        f = open_memstream(&key, &key_size);
        put_wire(f, SK_TYPE, strlen(SK_TYPE));
        put_wire(f, point, sizeof point);
        put_wire(f, SK_APPLICATION, strlen(SK_APPLICATION));
        fclose(f);

        SHA512((const uint8_t *) message, strlen(message), digest);
        f = open_memstream(&inner, &inner_size);
        fputs("SSHSIG", f);
        put_wire(f, "file", 4);
        put_wire(f, "", 0);
        put_wire(f, "sha512", 6);
        put_wire(f, digest, sizeof digest);
        fclose(f);

        SHA256((const uint8_t *) SK_APPLICATION, strlen(SK_APPLICATION), device);
        memcpy(device + 32, (const uint8_t[]){ flags, 0, 0, 1, 7 }, 5);
        SHA256((const uint8_t *) inner, inner_size, device + 37);
        n = sizeof signature;
        assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, pkey), 1);
        assert_int_equal(EVP_DigestSign(context, signature, &n, device, sizeof device), 1);
        EVP_MD_CTX_free(context);
        EVP_PKEY_free(pkey);

        f = open_memstream(&sig, &sig_size);
        put_wire(f, SK_TYPE, strlen(SK_TYPE));
        put_wire(f, signature, sizeof signature);
        fputc(flags, f);
        put_u32(f, 0x107);
        fclose(f);

        f = open_memstream(&blob, &blob_size);
        fputs("SSHSIG", f);
        put_u32(f, 1);
        put_wire(f, key, key_size);
        put_wire(f, "file", 4);
        put_wire(f, "", 0);
        put_wire(f, "sha512", 6);
        put_wire(f, sig, sig_size);
        fclose(f);

        base64 = calloc(1, key_size * 2 + 8);
        EVP_EncodeBlock((unsigned char *) base64, (const uint8_t *) key, (int) key_size);
        assert_true(asprintf(&line, "alice " SK_TYPE " %s\n", base64) > 0);
        put_text(s->fd, "allowed", line);
        put_text(s->fd, "message", message);
        text = armor((const uint8_t *) blob, blob_size);
        return text;
}

static void a_security_key_needs_its_users_touch(void **state) {
        const Scratch *s = *state;
        cleanup_fault_ Fault fault = { 0 };
        cleanup_free_ char *touched = NULL, *untouched = NULL;
        cleanup_free_ uint8_t *blob = NULL;
        size_t size;

        touched = security_key_signature(s, "by hand", 0x01);
        assert_int_equal(theirs(s, touched, strlen(touched), "file"), 0);
        assert_int_equal(ours(s, touched, strlen(touched), "file", &fault), 0);
        blob = dearmor(touched, &size);
        blob[size - 1] ^= 1; /* the counter is signed too */
        free(touched);
        touched = armor(blob, size);
        assert_int_not_equal(theirs(s, touched, strlen(touched), "file"), 0);
        assert_int_equal(ours(s, touched, strlen(touched), "file", &fault), SSHSIG_E_BAD);
        untouched = security_key_signature(s, "by malware", 0x00);
        assert_int_equal(ours(s, untouched, strlen(untouched), "file", &fault), SSHSIG_E_BAD);
        assert_says(&fault, "touch");
}

static void validity_in_time_is_ssh_keygens(void **state) {
        static const struct {
                const char *options;
                bool good;
        } cases[] = {
                { "valid-after=\"20200101Z\"", true },
                { "valid-after=\"20990101\"", false },
                { "valid-before=\"20990101000000Z\"", true },
                { "valid-before=\"202001010000\"", false },
                { "valid-after=\"2020010100\"", false }, /* ten digits are no time */
                { "valid-after=\"20200101\",valid-before=\"20990101\",namespaces=\"*\"", true },
                { "valid-after=\"20990101\",valid-before=\"20200101\"", false },
                { "namespaces=\"*,!release.v1@muster\"", false },
                { "namespaces=\"release.v?@muster\"", true },
                { "namespaces=\"release.v1@muste\"", false },
                { "no-touch-required", false },
                { "NAMESPACES=\"release*\"", true },
                { "cert-authority", false },
                { "namespaces=\"a\",namespaces=\"*\"", false },
                { "namespaces=release*", false },
        };
        const Scratch *s = *state;
        cleanup_free_ char *sig = NULL;
        size_t size;

        prepare(s, "");
        sig = slurp(s, "message.sig", &size);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_fault_ Fault fault = { 0 };
                cleanup_free_ char *line = NULL, *pub = NULL;
                int mine;

                pub = slurp(s, "alice.pub", NULL);
                assert_true(asprintf(&line, "# comment\n\n  alice \t%s %s", cases[i].options, pub) > 0);
                put_text(s->fd, "allowed", line);
                mine = ours(s, sig, size, "release.v1@muster", &fault);
                if ((mine == 0) != cases[i].good)
                        fail_msg("%s: %s", cases[i].options, fault_text(&fault, mine));
                if ((theirs(s, sig, size, "release.v1@muster") == 0) != cases[i].good)
                        fail_msg("ssh-keygen disagrees on %s", cases[i].options);
        }
}

static void a_malformed_signers_line_is_refused_with_its_number(void **state) {
        static const char key[] = "AAAAC3NzaC1lZDI1NTE5AAAAIHBe5fzXq5dXm9ULUDb9IgWdvbu5rUYjZ5pRLbBCRHrT";
        static const struct {
                const char *text, *says;
        } bad[] = {
                { "\n# c\nalice\n", "signers:3: expected PRINCIPALS" },
                { "alice ssh-rsa AAAA\n", "key type 'ssh-rsa' is not supported" },
                { "alice ssh-ed25519 !!!\n", "expected the public key in base64" },
                { "alice ssh-ed25519\n", "base64" },
                { "alice sk-ssh-ed25519@openssh.com KEY\n", "the line says sk-ssh-ed25519" },
                { "alice ssh-ed25519 KEYAAAA\n", "too many" },
                { "\"alice ssh-ed25519 KEY\n", "closing quote" },
                { "alice cert-authority ssh-ed25519 KEY\n", "cert-authority" },
                { "alice namespaces=\"x ssh-ed25519 KEY\n", "namespaces=" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_(signers_freep) Signers *signers = NULL;
                cleanup_fault_ Fault fault = { 0 };
                cleanup_free_ char *text = NULL;
                const char *at = strstr(bad[i].text, "KEY");

                assert_true(asprintf(&text, "%.*s%s%s",
                                     at ? (int) (at - bad[i].text) : (int) strlen(bad[i].text), bad[i].text,
                                     at ? key : "", at ? at + 3 : "") >= 0);
                assert_int_equal(signers_parse(text, "signers", &signers, &fault), -EBADMSG);
                assert_says(&fault, "signers:");
                assert_says(&fault, bad[i].says);
        }
}

static void a_key_listed_twice_counts_once(void **state) {
        const Scratch *s = *state;
        cleanup_(signers_freep) Signers *signers = NULL;
        cleanup_free_ char *text = NULL;

        prepare(s, "");
        assert_int_equal(
                shell(s,
                      "ssh-keygen -q -t ed25519 -N '' -f bob; "
                      "{ echo \"a $(cat alice.pub)\"; echo \"b namespaces=\\\"file\\\" $(cat alice.pub)\"; "
                      "echo \"\\\"bob with blanks\\\" $(cat bob.pub)\"; } >allowed"),
                0);
        text = slurp(s, "allowed", NULL);
        assert_int_equal(signers_parse(text, "allowed", &signers, NULL), 0);
        assert_int_equal(signers_count(signers), 2);
}

static void both_digests_agree_on_files_and_memory(void **state) {
        const Scratch *s = *state;
        cleanup_fd_ int fd = -1;
        cleanup_free_ char *data = malloc(700000);
        SshSigDigests a, b;
        uint64_t size;

        for (size_t i = 0; i < 700000; i++)
                data[i] = (char) (i * 31 >> 3);
        put_file(s->fd, "big", data, 700000, 0644);
        fd = openat(s->fd, "big", O_RDONLY | O_CLOEXEC);
        assert_int_equal(sshsig_digest_fd(fd, &a, &size), 0);
        assert_int_equal(sshsig_digest(data, 700000, &b), 0);
        assert_int_equal(size, 700000);
        assert_memory_equal(&a, &b, sizeof a);
}

static void base64_is_canonical(void **state) {
        static const char *const bad[] = { "",     "A",     "AA",       "AAA",  "A===", "AB==", "AAB=",
                                           "AA=A", "AAAA=", "AA==AAAA", "AA-A", "AA=",  "====" };
        cleanup_free_ uint8_t *data = NULL;
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &data, &size), -EBADMSG);
        assert_int_equal(base64_decode("/+8 =\n", 6, &data, &size), 0);
        assert_int_equal(size, 2);
        assert_memory_equal(data, "\xff\xef", 2);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_ssh_keygen_signs_is_accepted, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(no_damaged_byte_passes, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(the_armor_is_strict, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(keys_of_other_kinds_are_refused_by_name, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(a_security_key_needs_its_users_touch, scratch_new,
                                                scratch_free),
                cmocka_unit_test_setup_teardown(validity_in_time_is_ssh_keygens, scratch_new, scratch_free),
                cmocka_unit_test(a_malformed_signers_line_is_refused_with_its_number),
                cmocka_unit_test_setup_teardown(a_key_listed_twice_counts_once, scratch_new, scratch_free),
                cmocka_unit_test_setup_teardown(both_digests_agree_on_files_and_memory, scratch_new,
                                                scratch_free),
                cmocka_unit_test(base64_is_canonical),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
