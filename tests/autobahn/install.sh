#!/usr/bin/env bash
# Sets the Autobahn WebSocket test suite up in DIR; does nothing where DIR is up to date.
#
#   install.sh DIR            then: DIR/bin/wstest --help
#
# The suite (autobahntestsuite 25.10.1, 517 cases) is Python 2.7 code. The interpreter is, in order:
#   $AUTOBAHN_PYTHON2       any CPython 2.7 (UCS-4, with ssl and zlib); "debian" skips the next two
#   pyenv's 2.7.*
#   python2.7 on PATH
#   Debian 11's python2.7   unpacked under DIR/py2 by apt, from the mirror that the machine uses;
#                           the system is left alone
# Needs bash, Python 3 with pip, and a C compiler for the optional accelerator. x86-64 Linux only:
# the packages are pinned by hash, some of them as binaries. Install where DIR will stay, for it
# holds absolute paths.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,4p' "$0" >&2; exit 64; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
stamp="$(sha256sum <"$0" | cut -d' ' -f1) $dir ${AUTOBAHN_PYTHON2:-}"
if [ "$(cat "$dir/.stamp" 2>/dev/null)" = "$stamp" ]; then
    echo "autobahn: $dir is up to date"
    exit 0
fi
if [ -n "$(ls -A "$dir")" ] && [ ! -e "$dir/.autobahn" ]; then
    echo "autobahn: $dir holds something else" >&2
    exit 1
fi
touch "$dir/.autobahn"
rm -rf "${dir:?}"/{.stamp,accel.log,cases.txt,lib,accel,bin,py2,build}
mkdir -p "$dir"/{lib,bin,build}

# --- the interpreter ------------------------------------------------------------------------------

# Whether it is a CPython 2.7 with UCS-4 unicode (the ABI of the pinned wheels), ssl and zlib.
usable() {
    [ -x "$1" ] && "$1" -c 'if 1:
        import sys, zlib, ssl
        assert sys.version_info[:2] == (2, 7) and sys.maxunicode == 0x10ffff' >/dev/null 2>&1
}

find_python2() {
    local candidate path
    if [ "${AUTOBAHN_PYTHON2:-}" = debian ]; then return 1; fi
    # pyenv's shims answer to every name, whether or not they can run it: leave them out.
    path=$(tr ':' '\n' <<<"$PATH" | grep -v shims | paste -sd:)
    for candidate in "${AUTOBAHN_PYTHON2:-}" \
            "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7 \
            "$(PATH=$path command -v python2.7 || true)"; do
        if usable "$candidate"; then echo "$candidate"; return 0; fi
    done
    return 1
}

# Unpacks Debian 11's python2.7 into $dir/py2, by apt with a private state of its own.
unpack_debian_python2() {
    local apt=$dir/build/apt lib deb
    mkdir -p "$apt"/{parts,lists/partial,cache/archives/partial}
    : >"$apt/status"
    # The machine's own Debian source, with the release replaced.
    if [ -e /etc/apt/sources.list.d/debian.sources ]; then
        awk 'BEGIN { RS = ""; ORS = "\n\n" } !/debian-security/' \
            /etc/apt/sources.list.d/debian.sources |
            sed 's/^Suites:.*/Suites: bullseye/; s/^Components:.*/Components: main/' \
                >"$apt/parts/bullseye.sources"
    else
        sed -nE 's/^deb ((\[[^]]*\] )?[^ ]*debian\/?) .*/deb \1 bullseye main/p' \
            /etc/apt/sources.list | head -n 1 >"$apt/parts/bullseye.list"
    fi
    if ! [ -s "$apt/parts/bullseye.sources" ] && ! [ -s "$apt/parts/bullseye.list" ]; then
        echo "autobahn: neither Python 2.7 nor a Debian mirror: set AUTOBAHN_PYTHON2" >&2
        exit 1
    fi
    cat >"$apt/conf" <<EOF
Dir::State "$apt"; Dir::State::status "$apt/status"; Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache"; Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "$apt/parts";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Languages "none"; APT::Sandbox::User "root";
EOF
    APT_CONFIG=$apt/conf apt-get -qq update
    (cd "$apt" && APT_CONFIG=$apt/conf apt-get -qq download python2.7-minimal \
        libpython2.7-minimal libpython2.7-stdlib libpython2.7-dev libssl1.1 libffi7)
    mkdir -p "$dir/py2"
    for deb in "$apt"/*.deb; do dpkg-deb -x "$deb" "$dir/py2"; done
    lib=$dir/py2/usr/lib/x86_64-linux-gnu
    cat >"$dir/bin/python2.7" <<EOF
#!/bin/sh
export LD_LIBRARY_PATH="$lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "$dir/py2/usr/bin/python2.7" "\$@"
EOF
    chmod +x "$dir/bin/python2.7"
}

if ! py2=$(find_python2); then
    echo "autobahn: unpacking Debian 11's Python 2.7"
    unpack_debian_python2
    py2=$dir/bin/python2.7
    if ! usable "$py2"; then
        echo "autobahn: Debian 11's Python 2.7 does not run here" >&2
        exit 1
    fi
fi
echo "autobahn: using $py2"

# --- the packages ---------------------------------------------------------------------------------

# pip 20.3.4 is the last that runs on Python 2.7.
python3 -m pip install -q --no-deps --no-compile --disable-pip-version-check \
    --root-user-action=ignore --target "$dir/build/pip" --require-hashes -r /dev/stdin <<'EOF'
pip==20.3.4 --hash=sha256:217ae5161a0e08c0fb873858806e3478c9775caffce5168b50ec885e358c199d
EOF
pip_install() {
    PYTHONPATH="$dir/build/pip:$dir/lib" PYTHONWARNINGS=ignore "$py2" -B -m pip install -q \
        --no-python-version-warning --disable-pip-version-check --no-deps --no-compile \
        --require-hashes -r /dev/stdin "$@"
}

# These build the three source packages (autobahn, txaio, wsaccel); the suite needs pkg_resources.
pip_install --target "$dir/lib" <<'EOF'
setuptools==44.0.0 --hash=sha256:180081a244d0888b0065e18206950d603f6550721bd6f8c0a10221ed467dd78e
wheel==0.37.1      --hash=sha256:4bdcd7d840138086126cd09254dc6195fb4fc6f01c050a1d7236f2630db1d22a
EOF
rm -rf "$dir/lib/bin"

# The accelerator is compiled while the rest is fetched; without a compiler the suite falls back to
# pure Python. It is not an older version, because 0.6.3 checks UTF-8 sixty times slower.
CFLAGS="-O1 -g0 -I$dir/py2/usr/include/python2.7 -I$dir/py2/usr/include" \
    pip_install --no-build-isolation --target "$dir/accel" >"$dir/build/accel.log" 2>&1 <<'EOF' &
wsaccel==0.6.6 --hash=sha256:18efec0a7182587ba97102b4cd8df7b4f665f45d7ca36f19783f5f081ea114ea
EOF
accel_pid=$!

# What upstream's own requirements.txt pins, less what only the WAMP and wsperf modes use.
pip_install --target "$dir/lib" <<'EOF'
autobahntestsuite==25.10.1 --hash=sha256:b57ee6b22de624a03256878ad453c9897d2ad7ee08a4c38b35ee2847637e1383
autobahn==0.10.9           --hash=sha256:3fecc1e2a26a0421128ddcfb4e577f0bc669dd65d0e0fdad1c773965cbcef75a
txaio==2.1.0               --hash=sha256:b94e3dbc83760b68955160fc61a2c34e2798f7a90c41672560f40dfd2946a864
Twisted==19.10.0           --hash=sha256:776c65270b57ac074d5b7a471142f434b0ac5a8b39d9c974769c855c32abfd91
zope.interface==4.6.0      --hash=sha256:bad44274b151d46619a7567010f7cde23a908c6faa84b97598fd2f474a0c6891
constantly==15.1.0         --hash=sha256:dd2fa9d6b1a51a83f0d7dd76293d734046aa176e384bf6e33b7e44880eb37c5d
incremental==16.10.1       --hash=sha256:cc00a35f9e9621ddec0a5e7d17271f3f26244873c4aec67eda06f2db8302e04b
hyperlink==21.0.0          --hash=sha256:e6b14c37ecb73e89c77d78cdb4c2cc8f3fb59a885c5b3f819ff4ed80f25af1b4
idna==2.10                 --hash=sha256:b97d804b1e9b523befed77c48dacec60e6dcb0b5391d57af6a65a312a90648c0
typing==3.10.0.0           --hash=sha256:c7219ef20c5fbf413b4567092adfc46fa6203cb8454eda33c3fc1afe1398a308
attrs==21.4.0              --hash=sha256:2d27e3784d7a565d36ab851fe94887c5eccd6a463168875832a1be79c82828b4
Automat==22.10.0           --hash=sha256:c3164f8742b9dc440f3682482d32aaff7bb53f71740dd018533f9de286b64180
six==1.16.0                --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254
Jinja2==2.11.3             --hash=sha256:03e47ad063331dd6a3f04a43eddca8a966a26ba0c5b7207a9a9e4e08f1b29419
MarkupSafe==1.1.1          --hash=sha256:43a55c2930bbc139570ac2452adf3d70cdbb3cfe5912c71cdce1c2c6bbd9c5d1
pyOpenSSL==19.1.0          --hash=sha256:621880965a720b8ece2f1b2f54ea2071966ab00e2970ad2ce11d596102063504
cryptography==3.3.2        --hash=sha256:c7390f9b2119b2b43160abb34f63277a638504ef8df99f11cb52c1fda66a2e6f
cffi==1.15.1               --hash=sha256:ed9cb427ba5504c1dc15ede7d516b84757c3e3d7868ccc85121d9310d27eed0b
enum34==1.1.10             --hash=sha256:a98a201d6de3f2ab3db284e70a33b0f896fbf35f8086594e8c9e74b909058d53
ipaddress==1.0.23          --hash=sha256:6e0f4a39e66cb5bb9a137b00276a2eff74f93b71dcbdad6f10ff7df9d3557fcc
EOF

# --- the patches ----------------------------------------------------------------------------------

# zope is a namespace package by a .pth file, which --target does not process.
: >"$dir/lib/zope/__init__.py"

python3 - "$dir/lib/autobahntestsuite" <<'EOF'
import pathlib, sys
root = pathlib.Path(sys.argv[1])

def patch(name, *pairs):
    path = root / name
    text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    for old, new in pairs:
        if text.count(old) != 1:
            sys.exit("autobahn: patch does not fit %s: %r" % (name, old))
        text = text.replace(old, new)
    path.write_bytes(text.encode("utf-8"))

# The serializer mode (WAMP) pulls in unittest2, and is of no use here.
patch("wstest.py", ("\nimport serializer\n", "\n"))

# The fuzzing server is for the loopback interface only.
patch("fuzzing.py",
      ("   listenWS(factory, sslContext)\n",
       "   listenWS(factory, sslContext, interface = '127.0.0.1')\n"))

# Cases 12.* and 13.*: (1) WSTEST_MESSAGES=n sends n messages a case instead of 1000 (the default,
# which stays); (2) the test data is decoded once a case instead of once a message; (3) echoes are
# compared as they are instead of by their SHA-1. (2) and (3) change no verdict, they only save the
# suite's own time.
patch("case/case12_x_x.py",
      ("\n## test data set\n##\n",
       "\nMSG_SIZES = [(l, int(os.environ.get('WSTEST_MESSAGES', n)), t, f)\n"
       "             for (l, n, t, f) in MSG_SIZES]\n"
       "\n## test data set\n##\n"),
      ("   self.testDataLen = len(self.testData)\n",
       "   self.testDataLen = len(self.testData)\n"
       "   if not self.TESTDATA['binary']:\n"
       "      self.testData = self.testData.decode('utf-8')\n"),
      ("   payload = self.testData\n"
       "   if not self.TESTDATA['binary']:\n"
       "      # If we're not working with a \"binary\" payload, treat it as a unicode string\n"
       "      payload = payload.decode('utf-8')\n",
       "   payload = self.testData\n"),
      ("   m = hashlib.sha1()\n   m.update(msg)\n   self._expected_hash = m.digest()\n",
       "   self._expected_hash = msg\n"),
      ("   m = hashlib.sha1()\n   m.update(msg)\n   received_hash = m.digest()\n",
       "   received_hash = msg\n"),
      ("binascii.hexlify(received_hash), binascii.hexlify(self._expected_hash)",
       "hashlib.sha1(received_hash).hexdigest(), hashlib.sha1(self._expected_hash).hexdigest()"))
EOF

# --- the launcher ---------------------------------------------------------------------------------

if ! wait "$accel_pid"; then
    echo "autobahn: no accelerator, so that runs take longer; see $dir/accel.log" >&2
    cp "$dir/build/accel.log" "$dir/accel.log"
    rm -rf "$dir/accel"
fi

cat >"$dir/bin/wstest" <<EOF
#!/bin/sh
export PYTHONPATH="$dir/lib:$dir/accel" PYTHONNOUSERSITE=1 PYTHONWARNINGS=ignore
exec "$py2" -u -c 'from autobahntestsuite.wstest import run; run()' "\$@"
EOF
chmod +x "$dir/bin/wstest"
"$dir/bin/wstest" --autobahnversion     # compiles what is used, too
PYTHONPATH="$dir/lib:$dir/accel" PYTHONWARNINGS=ignore "$py2" -c 'if 1:
    from autobahntestsuite.case import Cases
    ids = [[int(n) for n in c.__name__[len("Case"):].split("_")] for c in Cases]
    print "\n".join(".".join(map(str, i)) for i in sorted(ids))' >"$dir/cases.txt"
if [ "$(sort -u "$dir/cases.txt" | wc -l)" != 517 ]; then
    echo "autobahn: 517 cases expected" >&2
    exit 1
fi
rm -rf "$dir/build"
echo "$stamp" >"$dir/.stamp"
echo "autobahn: $dir/bin/wstest is ready"
