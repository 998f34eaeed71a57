# shellcheck shell=bash
#
# Mirrors for scenario tests: real nginx in the hub, with ranges and ETags, at
# 10.77.0.1. Source bed.sh first.
#
#   mirror_start NAME PORT DIRECTORY [DIRECTIVE..]  serves it; DIRECTIVEs go into nginx's server block
#   mirror_stop NAME
#   mirror_log NAME               path of its access log: "URI STATUS RANGE BYTES" a line

mirror_start() {
    local name=$1 port=$2 directory=$3 own=$BED_DIR/mirror-$1

    shift 3
    mkdir -p "$own"
    cat >"$own/nginx.conf" <<CONF
daemon off;
user root;
pid $own/pid;
error_log stderr;
events { }
http {
    log_format asked '\$uri \$status \$http_range \$body_bytes_sent';
    access_log $own/access.log asked;
    client_body_temp_path $own/body;
    proxy_temp_path $own/proxy;
    fastcgi_temp_path $own/fastcgi;
    uwsgi_temp_path $own/uwsgi;
    scgi_temp_path $own/scgi;
    server {
        listen 10.77.0.1:$port;
        root $directory;
        $(printf '%s;\n' "$@")
    }
}
CONF
    [ $# -gt 0 ] || sed -i '/^ *;$/d' "$own/nginx.conf"
    bed_start "mirror-$name" ip netns exec "$BED_HUB" nginx -c "$own/nginx.conf" -p "$own"
    until_true 10 hub_exec curl -s -o /dev/null "http://10.77.0.1:$port/"
}

mirror_stop() {
    bed_stop "mirror-$1"
}

mirror_log() {
    echo "$BED_DIR/mirror-$1/access.log"
}
