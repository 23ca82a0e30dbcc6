{{/*
The front door reads the server name (SNI) of the TLS ClientHello and forwards the connection unchanged. TLS terminates at
the hub or at a coordinator, never here. The names are fixed: two for the hub, and a pattern that only matches Services
`j-<16 hex digits>` of this namespace, on one port. Only the operator creates such Services. So the configuration does not
change when jobs start or end, and open connections are never cut.
*/}}
{{- define "fedjobs.nginx" -}}
{{- $host := include "fedjobs.host" . -}}
{{- $hub := printf "%s.%s" (include "fedjobs.hub" .) (include "fedjobs.services" .) -}}
# Debian builds the stream module as a dynamic module. Other builds include it and do not have this folder.
include /etc/nginx/modules-enabled/*.conf;
worker_processes 2;
# A connection in each direction has a file. With the usual limit of 1024, few idle clients would use up all files.
worker_rlimit_nofile 16384;
pid /tmp/nginx.pid;
error_log stderr warn;

events {
  worker_connections 8192;
}

stream {
  log_format json escape=json '{"time": "$time_iso8601", "peer": "$remote_addr", "name": "$ssl_preread_server_name", '
    '"to": "$upstream_addr", "status": $status, "seconds": $session_time, "up": $bytes_received, "down": $bytes_sent}';
  access_log /dev/stdout json;

  map $ssl_preread_server_name $destination {
    {{ $host }} {{ $hub }}:8443;
    enrol.{{ $host }} {{ $hub }}:8444;
    "~^(?<job>j-[0-9a-f]{16})\.{{ $host | replace "." "\\." }}$" $job.{{ include "fedjobs.services" . }}:8443;
    default 127.0.0.1:9444;
  }

  resolver {{ .Values.frontDoor.resolver }} valid=5s ipv6=off;
  resolver_timeout 5s;
  limit_conn_zone $binary_remote_addr zone=addresses:10m;

  server {
    listen 8443 so_keepalive=on;
    ssl_preread on;
    preread_timeout 5s; # for the whole ClientHello: closes idle connections
    limit_conn addresses {{ .Values.frontDoor.maxConnectionsPerAddress }};
    proxy_pass $destination;
    proxy_connect_timeout 5s;
    proxy_timeout 2m; # both sides of an open connection send keepalives every 20 s
    proxy_socket_keepalive on;
  }

  server { # all other server names
    listen 127.0.0.1:9444;
    access_log off;
    return "";
  }
}
{{- end -}}
