{{/*
The front door: it reads the name that a client asks for in its first packet, and hands the connection on as it is; TLS
ends at the hub or at a coordinator, never here. Which names there are is fixed: two for the hub, and a pattern that can
become nothing but the name of a Service `j-<16 hex digits>` of this namespace, on one port. Services of that name are
made by the operator alone. So jobs come and go without a change here, and running links are never cut.
*/}}
{{- define "fedjobs.nginx" -}}
{{- $host := include "fedjobs.host" . -}}
{{- $hub := printf "%s.%s" (include "fedjobs.hub" .) (include "fedjobs.services" .) -}}
# Debian has the stream module in a file of its own; other builds have it inside, and no such folder.
include /etc/nginx/modules-enabled/*.conf;
worker_processes 2;
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
    preread_timeout 5s; # for the whole first packet: who says nothing is in the way
    limit_conn addresses {{ .Values.frontDoor.maxConnectionsPerAddress }};
    proxy_pass $destination;
    proxy_connect_timeout 5s;
    proxy_timeout 2m; # both sides of a living link say something every 20 s
    proxy_socket_keepalive on;
  }

  server { # whoever asks for anything else
    listen 127.0.0.1:9444;
    access_log off;
    return "";
  }
}
{{- end -}}
