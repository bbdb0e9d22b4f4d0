# tlslib.sh - certificates for tests of the streaming server's TLS, in $SCRATCH/tls. Source it after
# lib.sh and harness_begin.

mkdir -p "$SCRATCH/tls"

# tls_make_ca NAME: an authority, NAME.pem and NAME.key
tls_make_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-keyout "$SCRATCH/tls/$1.key" -out "$SCRATCH/tls/$1.pem" 2>"$SCRATCH/stderr" || bail "openssl req: $(cat "$SCRATCH/stderr")"
}

# tls_make_cert NAME CA EXTENSION [CN]: a certificate of that authority, in place of an older one
tls_make_cert() {
	local dir=$SCRATCH/tls
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=${4:-$1}" \
		-keyout "$dir/$1.key.new" -out "$dir/$1.csr" 2>"$SCRATCH/stderr" &&
		openssl x509 -req -in "$dir/$1.csr" -CA "$dir/$2.pem" -CAkey "$dir/$2.key" -CAcreateserial -days 2 \
			-extfile <(echo "$3") -out "$dir/$1.pem.new" 2>"$SCRATCH/stderr" || bail "openssl: $(cat "$SCRATCH/stderr")"
	mv "$dir/$1.key.new" "$dir/$1.key"
	mv "$dir/$1.pem.new" "$dir/$1.pem"
}

# tls_conf [LINE...]: TLS with the certificate "server", and more lines of [crio.api]
tls_conf() {
	{
		printf '[crio.api]\nstream_enable_tls = true\nstream_tls_cert = "%s"\nstream_tls_key = "%s"\n' \
			"$SCRATCH/tls/server.pem" "$SCRATCH/tls/server.key"
		[ $# = 0 ] || printf '%s\n' "$@"
	} >"$SCRATCH/config.d/70-tls.conf"
}
