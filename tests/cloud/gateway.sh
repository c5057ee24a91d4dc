# nginx in front of Cinder, Keystone and the strict Cinder, a part of cloud.sh: TLS by a CA of its own, and
# what operators do to requests and responses, each at a path or a host name of its own.

install_gateway() {
    debian_package nginx nginx
    mkdir -p "$GATEWAY/temp"
    [[ -f $GATEWAY/ca.pem ]] || "$TOOLS/bin/python" "$HERE/certificates.py" "$GATEWAY"
    cat >"$GATEWAY/nginx.conf" <<CONF
user $(id -un) $(id -gn);
pid $GATEWAY/pid;
error_log $GATEWAY/error.log;
worker_processes 2;
events {}
http {
    client_body_temp_path $GATEWAY/temp/body;
    proxy_temp_path $GATEWAY/temp/proxy;
    fastcgi_temp_path $GATEWAY/temp/fastcgi;
    uwsgi_temp_path $GATEWAY/temp/uwsgi;
    scgi_temp_path $GATEWAY/temp/scgi;
    # The tests tell their requests from others' by the user agent.
    log_format gateway '\$http_user_agent|\$server_protocol|\$status|\$connection|\$pid|\$gzip_ratio|\$request';
    access_log $GATEWAY/access.log gateway;

    limit_req_zone \$binary_remote_addr zone=limited:1m rate=10r/s;
    limit_req_status 429;
    gzip on;
    gzip_proxied any;
    gzip_types application/json;
    ssl_certificate $GATEWAY/gateway.pem;
    ssl_certificate_key $GATEWAY/gateway.key;
    proxy_http_version 1.1;
    # A Cinder that restarts needs some seconds for its first response.
    proxy_read_timeout 120s;
    proxy_set_header Host \$http_host;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Forwarded-Host \$http_host;

    server {
        listen 127.0.0.1:$GATEWAY_PORT ssl http2 default_server;
        server_name localhost;
        location /volume/ {
            proxy_pass $CINDER_URL/;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Host \$http_host;
            proxy_set_header X-Forwarded-Prefix /volume;
        }
        location /identity/ { proxy_pass http://127.0.0.1:$KEYSTONE_PORT/; }
        location /lost-prefix/ { proxy_pass $CINDER_URL/; }
        location /strict/ { proxy_pass $STRICT_URL/; }
        location /foreign-links/ {
            proxy_pass $CINDER_URL/;
            proxy_set_header X-Forwarded-Proto http;
            proxy_set_header X-Forwarded-Host foreign.test;
            proxy_set_header X-Forwarded-Prefix /elsewhere;
        }
        location /limited/ {
            limit_req zone=limited burst=2 nodelay;
            proxy_pass $CINDER_URL/;
        }
        location /response-header-stripped/ {
            proxy_pass $CINDER_URL/;
            proxy_hide_header OpenStack-API-Version;
        }
        location /request-header-stripped/ {
            proxy_pass $CINDER_URL/;
            proxy_set_header OpenStack-API-Version "";
        }
        # Nobody listens at port 1; no Cinder responds within a millisecond.
        location /down/ { proxy_pass http://127.0.0.1:1/; }
        location /slow/ {
            proxy_pass $CINDER_URL/;
            proxy_read_timeout 1ms;
        }
        # What nginx sends for bodies and for addresses longer than this client's, and what it never sends.
        location /413/ { return 413; }
        location /414/ { return 414; }
        location /431/ { return 431; }
    }
    server {
        listen 127.0.0.1:$GATEWAY_PORT ssl http2;
        server_name idle.test;
        keepalive_timeout 1s;
        location / { proxy_pass $CINDER_URL; }
    }
    server {
        listen 127.0.0.1:$GATEWAY_PORT ssl http2;
        server_name brief.test;
        keepalive_requests 3;
        location / { proxy_pass $CINDER_URL; }
    }
    server {
        listen 127.0.0.1:$GATEWAY_PORT ssl http2;
        server_name expired.test;
        ssl_certificate $GATEWAY/expired.pem;
        location / { proxy_pass $CINDER_URL; }
    }
    server {
        listen 127.0.0.1:$GATEWAY_PORT ssl http2;
        server_name wrong-host.test;
        location / { proxy_pass $CINDER_URL; }
    }
    server {
        listen 127.0.0.1:$GATEWAY_HTTP_PORT;
        location / { return 301 https://localhost:$GATEWAY_PORT\$request_uri; }
    }
}
CONF
}

start_gateway() {
    stop gateway
    : >"$GATEWAY/access.log"
    # From its folder, by which it is known as ours.
    (cd "$GATEWAY" && nginx -p "$GATEWAY" -c nginx.conf -e "$GATEWAY/error.log") ||
        fail "nginx did not start: see $GATEWAY/error.log; GATEWAY_PORT and GATEWAY_HTTP_PORT set its ports"
}
