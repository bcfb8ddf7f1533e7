#!/usr/bin/env bash
# tls_test.sh - a cluster whose gateway serves https and takes tokens of an issuer: openssl and curl as
# clients, the command line, a new certificate while a stream is open, and what the secrets' files must be.
. "$(dirname "$0")/lib.sh"
if ! command -v openssl >/dev/null || ! command -v curl >/dev/null; then
  echo "1..0 # skipped: openssl and curl are not installed"
  exit 0
fi

cert() { # SERIAL: a certificate and its key as cert.pem and key.pem
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "${2:-30}" -set_serial "$1" -subj /CN=witan \
    -addext "subjectAltName=IP:127.0.0.1,DNS:gateway.example" -keyout "$tmp/key.new" -out "$tmp/cert.new" 2>/dev/null
  chmod 600 "$tmp/key.new"
  mv "$tmp/key.new" "$tmp/key.pem"
  mv "$tmp/cert.new" "$tmp/cert.pem"
}
serial() { openssl s_client -connect "$address" </dev/null 2>/dev/null | openssl x509 -noout -serial 2>&1; }
b64url() { openssl base64 -A | tr '+/' '-_' | tr -d =; }

# token CLAIMS: a JWT by the issuer's key.
token() {
  local head body
  head=$(printf '{"alg":"RS256","kid":"k1"}' | b64url)
  body=$(printf '%s' "$1" | b64url)
  printf '%s.%s.%s' "$head" "$body" \
    "$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -sign "$tmp/issuer.pem" -binary | b64url)"
}
ask() { # TOKEN [CURL FLAG...]: status and body of /v1/models
  curl -sS -m 20 --cacert "$tmp/cert.pem" -H "Authorization: Bearer $1" -w '\n%{http_code}\n' "$url/v1/models"
}

openssl genrsa -out "$tmp/issuer.pem" 2048 2>/dev/null
n=$(openssl rsa -in "$tmp/issuer.pem" -noout -modulus | cut -d= -f2 | xxd -r -p 2>/dev/null | b64url)
[ -n "$n" ] || n=$(openssl rsa -in "$tmp/issuer.pem" -noout -modulus | cut -d= -f2 |
  python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' | b64url)
printf '{"keys":[{"kty":"RSA","kid":"k1","use":"sig","n":"%s","e":"AQAB"}]}' "$n" >"$tmp/jwks.json"
n=0
cert 1001

state tls
chmod 644 "$tmp/key.pem"
up --tls-cert "$tmp/cert.pem" --tls-key "$tmp/key.pem"
[ $? = 2 ] && grep -q "may be read by others" "$tmp/up.err"; result $? "a key that others may read is refused at start" "$(cat "$tmp/up.err")"
chmod 600 "$tmp/key.pem"
up --tls-cert "$tmp/cert.pem" --tls-key "$tmp/key.pem" --oidc-issuer https://id.example --oidc-audience witan \
  --oidc-jwks "$tmp/jwks.json" --tenant-claim org --role-claim realm.roles
result $? "up with a certificate and an issuer" "$(cat "$tmp/up.err")"
[ "$failed" = 0 ] || done_testing                # nothing else could be tried
url=$(field "$state/witan.json" 'j["http"]')
address=${url#https://}

# -- witan bench online over https: the cluster of the state folder, and a server by its URL and a key
small="--clients 2 --requests 4 --prompt-tokens 4 --tokens 4"
json "bench online over https" 0 'j["https"] and j["workers"] == 2 and [(w["requests"], w["failed"]) for w in j["waves"]] == [(4, 0)]' \
  -- "$w" bench online --state "$state" $small -o json
"$w" key create --state "$state" >"$tmp/key" 2>/dev/null
for _ in $(seq 1200); do [ "$(ask "$(cat "$tmp/key")" 2>/dev/null | tail -1)" = 200 ] && break; sleep 0.1; done     # it hears of keys
away="$w bench online --url $url --state $tmp/none"
json "bench online of a server elsewhere" 0 'j["server"] == "'"$url"'" and j["model"] == "tiny" and "workers" not in j and
  [(w["requests"], w["failed"]) for w in j["waves"]] == [(4, 0)]' -- $away --key-file "$tmp/key" --cacert "$tmp/cert.pem" $small -o json
json "streams of a server elsewhere, without its memory" 0 'j["streams"]["answered"] == 4 and "bytes_a_stream_beside_kv" not in j["streams"]' \
  -- $away --key-file "$tmp/key" --cacert "$tmp/cert.pem" --streams 4 --tokens 4 -o json
try "by the name in its certificate" 0 "REQUESTS" -- $away --key-file "$tmp/key" --cacert "$tmp/cert.pem" --tls-name gateway.example $small
try "not by another name" 1 "--url $url: " "--cacert names the authority" -- $away --key-file "$tmp/key" --cacert "$tmp/cert.pem" --tls-name other.example $small
try "not without its authority" 1 "--url $url: " "--cacert names the authority" -- $away --key-file "$tmp/key" $small
try "not without a key" 1 "refuses to answer without a key (401)" "--key-file FILE" -- $away --cacert "$tmp/cert.pem" $small
echo wt-nobody >"$tmp/wrong"
try "not with a wrong one" 1 "refuses this key (401)" -- $away --key-file "$tmp/wrong" --cacert "$tmp/cert.pem" $small
try "a key file that is not there" 1 "--key-file: cannot open $tmp/nokey" -- $away --key-file "$tmp/nokey" $small
try "a key file without a key" 1 "its first line is no key" -- $away --key-file /dev/null $small
try "an address that is none" 1 "is no address of a server" "https://HOST:PORT" -- "$w" bench online --url "$address" $small
try "a key for the own cluster" 2 "--key-file goes with --url" -- "$w" bench online --key-file "$tmp/key" --state "$state" $small
case $url in https://127.0.0.1:*) result 0 "its address is https" ;; *) result 1 "its address is https" "$url" ;; esac
answer=$(bash -c "$(grep '^ *curl' "$tmp/up.out")")
grep -q '"content"' <<<"$answer"; result $? "the curl line works when pasted" "$answer"
try "the command line trusts its own cluster" 0 "tiny model" -- "$w" chat --temperature 0 --state "$state" "Who are you?"
try "by an authority" 0 "tiny" -- "$w" models list --state "$state" --cacert "$tmp/cert.pem"
try "by an authority and a name" 0 "tiny" -- "$w" models list --state "$state" --cacert "$tmp/cert.pem" --tls-name gateway.example
try "not another name" 1 "not trusted" "hostname mismatch" -- "$w" models list --state "$state" --cacert "$tmp/cert.pem" --tls-name other.example
"$w" doctor --state "$state" --http 127.0.0.1:0 >"$tmp/doctor"
grep -q "processes are ready at https://" "$tmp/doctor" && grep -q "key in witan.json is valid" "$tmp/doctor"; result $? "doctor asks it" "$(cat "$tmp/doctor")"
for v in tls1 tls1_1; do
  try "$v is refused" 1 -- openssl s_client -connect "$address" -$v -cipher DEFAULT:@SECLEVEL=0
done
for v in tls1_2 tls1_3; do
  try "$v is spoken" 0 "Verification: OK" "ALPN protocol: http/1.1" -- openssl s_client -connect "$address" -$v -alpn h2,http/1.1 -CAfile "$tmp/cert.pem"
done

# A stream that is open while the certificate changes.
key=$(field "$state/witan.json" 'j["admin_key"]')
[ "$(serial)" = serial=03E9 ]; result $? "the first certificate is served" "$(serial)"
curl -sS -N -m 300 --limit-rate 5k --cacert "$tmp/cert.pem" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
  -d '{"model":"tiny","prompt":"Once upon a time","max_tokens":400,"ignore_eos":true,"stream":true}' \
  "$url/v1/completions" >"$tmp/stream" 2>"$tmp/stream.err" &
stream=$!
for _ in $(seq 1200); do [ -s "$tmp/stream" ] && break; sleep 0.1; done
cp "$tmp/cert.pem" "$tmp/old.pem"
cert 1002
for _ in $(seq 1200); do [ "$(serial)" = serial=03EA ] && break; sleep 0.1; done
[ "$(serial)" = serial=03EA ]; result $? "a new certificate is taken while it runs" "$(serial)"
wait $stream
[ $? = 0 ] && grep -q 'data: \[DONE\]' "$tmp/stream"; result $? "an open stream did not notice" "$(cat "$tmp/stream.err"; tail -2 "$tmp/stream")"

# SIGHUP: at once, and not when the files are looked at next.
gateway=$(field "$state/witan.json" '[p["pid"] for p in j["processes"] if p["role"] == "gateway"][0]')
cert 1003
kill -HUP "$gateway"
for _ in $(seq 1200); do grep -q GATEWAY-RELOADED "$state/logs/gateway-0.log" && break; sleep 0.1; done
[ "$(serial)" = serial=03EB ]; result $? "SIGHUP takes a new certificate" "$(tail -3 "$state/logs/gateway-0.log")"
[ "$(grep -c 'GATEWAY-TLS-RELOADED' "$state/logs/gateway-0.log")" = 2 ] && kill -0 "$gateway"; result $? "and ends nothing"
for p in $(field "$state/witan.json" '" ".join(str(p["pid"]) for p in j["processes"] if p["role"] in ("router", "expert"))'); do
  kill -HUP "$p" && sleep 0.1 && kill -0 "$p"; result $? "nor a router or worker"
done
try "nor does the command line" 0 "tiny" -- "$w" models list --state "$state"
printf 'no key\n' >"$tmp/key.pem"
for _ in $(seq 1200); do grep -q GATEWAY-TLS-KEPT "$state/logs/gateway-0.log" && break; sleep 0.1; done
grep -q 'GATEWAY-TLS-KEPT.*no private key' "$state/logs/gateway-0.log"; result $? "a bad key is said and left alone" "$(tail -3 "$state/logs/gateway-0.log")"
[ "$(serial)" = serial=03EB ]; result $? "and the good one serves on" "$(serial)"
metrics=$(curl -sS "http://$(field "$state/witan.json" '[p["metrics"] for p in j["processes"] if p["role"] == "gateway"][0]')/metrics")
grep -q '^witan_gateway_tls_not_after_seconds 1[0-9]\{9\}$' <<<"$metrics" && grep -q '^witan_gateway_tls_reloads_total 2$' <<<"$metrics" &&
  grep -q '^witan_gateway_tls_failed_total [1-9]' <<<"$metrics" && grep -q '^witan_gateway_oidc_keys 1$' <<<"$metrics"
result $? "metrics of it" "$(grep -E '_tls_|_oidc_' <<<"$metrics")"

# Tokens.
now=$(date +%s)
good="\"iss\":\"https://id.example\",\"aud\":\"witan\",\"sub\":\"anna\",\"exp\":$((now + 600)),\"org\":\"default\""
try "a token opens the door" 0 '"id":"tiny"' $'\n200' -- ask "$(token "{$good}")"
try "one for another service does not" 0 "meant for another service" invalid_token $'\n401' -- ask "$(token "{${good/\"aud\":\"witan\"/\"aud\":\"else\"}}")"
try "an old one does not" 0 "has expired" $'\n401' -- ask "$(token "{${good/$((now + 600))/$((now - 600))}}")"
try "nor one of an unknown tenant" 0 "nobodys" tenant_not_allowed $'\n403' -- ask "$(token "{${good/default/nobodys}}")"
try "nor one without a signature" 0 $'\n401' -- ask "$(token "{$good}" | sed 's/[^.]*$//')"
try "keys are taken as before" 0 '"id":"tiny"' $'\n200' -- ask "$key"
args=$(for p in $(field "$state/witan.json" '" ".join(str(p["pid"]) for p in j["processes"])'); do
  tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null; tr '\0' ' ' <"/proc/$p/environ" 2>/dev/null; done)
secret=$(sed -n 2p "$tmp/issuer.pem")
! grep -qF -e "PRIVATE KEY" -e "$secret" -e "$key" <<<"$args"; result $? "no secret in arguments or environment"
! grep -rqF -e "PRIVATE KEY" -e "$key" -e "$(token "{$good}")" "$state/logs"; result $? "none in the logs"
done_testing
