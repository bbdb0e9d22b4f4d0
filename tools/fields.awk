# Lists the fields of requests with the files that read them, and compares proto/unread with that; run by
# tools/fields.
#
# usage: awk -F'\t' -v out=TABLE -f fields.awk USES rpc.bind unread fields.tsv rpcs.tsv
# USES has lines "MESSAGE.FIELD FILE", or "NAME_OF_MESSAGE FILE" for all its fields.  The walk begins at the
# RPCs that have a handler; below a field that nothing reads nothing is asked for.

FILENAME ~ /uses$/ { split($0, w, " "); files[w[1]] = files[w[1]] (files[w[1]] ? "," : "") w[2]; next }
FILENAME ~ /rpc\.bind$/ {
	split($0, w, /[ \t]+/)
	if (w[2] == "refused" || w[2] == "unimplemented")
		dead[w[1]] = 1
	next
}
FILENAME ~ /unread$/ {
	if ($0 ~ /^#/ || $0 !~ /[^ \t]/)
		next
	split($0, w, /[ \t]+/)
	lines[++n_lines] = w[1]
	line[w[1]] = FNR
	if (w[2] !~ /^(ignored|open)$/ || w[3] == "")
		bad("proto/unread:" FNR ": write MESSAGE.FIELD, ignored or open, and why")
	next
}
FNR == 1 { next }
FILENAME ~ /fields\.tsv$/ {
	if ($2 == "-")
		next
	member[$1, ++n[$1]] = $3
	type[$1 "." $3] = $5
	next
}
{ if (!(($1 "." $2) in dead)) visit($3, $2) }

function bad(text) { print text; failed++ }
# protoc-c writes members in lower case, C++ keywords with an underscore, messages in snake case.
function key(m, f,    k) {
	k = m "." tolower(f)
	if ((k "_") in files)
		return k "_"
	return k in files ? k : snake(m)
}
function snake(m,    i, c, out, was) {
	was = 1
	for (i = 1; i <= length(m); i++) {
		c = substr(m, i, 1)
		out = out (c ~ /[A-Z]/ && !was ? "_" : "") tolower(c)
		was = c ~ /[A-Z]/
	}
	return out
}
function visit(m, rpc,    i, f, t) {
	if ((m, rpc) in seen)
		return
	seen[m, rpc] = 1
	for (i = 1; i <= n[m]; i++) {
		f = m "." member[m, i]
		t = type[f]
		if (!(f in rpcs))
			order[++n_order] = f
		rpcs[f] = rpcs[f] (rpcs[f] ? "," : "") rpc
		if (key(m, member[m, i]) in files && t in n)
			visit(t, rpc)
	}
}
END {
	for (i = 1; i <= n_order; i++) {
		f = order[i]
		dot = index(f, ".")
		k = key(substr(f, 1, dot - 1), substr(f, dot + 1))
		printf "%s\t%s\t%s\t%s\n", f, type[f], rpcs[f], k in files ? files[k] : "-" >out
		read += k in files
		if (!(k in files) && !(f in line))
			bad("proto/unread: no code reads " f " (" rpcs[f] "): act on it, or write here why not")
		if (k in files && f in line)
			bad("proto/unread:" line[f] ": " files[k] " reads " f "; remove the line")
	}
	for (i = 1; i <= n_lines; i++)
		if (!(lines[i] in rpcs))
			bad("proto/unread:" line[lines[i]] ": no request has " lines[i] "; remove the line")
	if (failed)
		exit 1
	printf "ok fields (%d read, %d with a reason; %s)\n", read, n_order - read, out
}
