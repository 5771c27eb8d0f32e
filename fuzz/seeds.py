#!/usr/bin/env python3
"""Writes the seeds of the targets for auth and tls anew (needs OpenSSL 3 and keytool).

Many begin with bytes that choose: `tests/src/fuzzing_auth.rs`, `_tokens.rs`, `_keys.rs` and
`_tls.rs` say what. Keys and key stores differ from run to run.
"""

import base64
import json
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
KEYS = HERE.parent / "tests" / "keys"
# A secret that must show nowhere, as the bodies of the targets know.
CANARY = "Ca9-kQz7"
NOW = 1_800_000_000


def write(target, seeds):
    folder = HERE / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def basic(text, scheme="Basic ", encode=base64.b64encode):
    return scheme + encode(text.encode() if isinstance(text, str) else text).decode()


def headers():
    write("basic_header", {
        "rfc7617": basic("Aladdin:open sesame"),
        "utf8": basic("test:123\u00a3"),
        "colons": basic("user::pass:word:"),
        "lower_case": basic("user:password", "basic   "),
        "no_colon": basic("user"),
        "empty_user": basic(":password"),
        "empty_password": basic("user:"),
        "control": basic("user:pass\nword"),
        "latin1": basic("user:\u00a3".encode("latin-1")),
        "not_padded": basic("user:password").rstrip("="),
        "not_canonical": "Basic dXNlcjpwYXNzd29yZB==",
        "url_safe": basic("u:\u00ff\u00fe>?>?", encode=base64.urlsafe_b64encode),
        "long": basic("user:" + "p" * 6000),
        "too_long": basic("user:" + "p" * 7000),
        "bearer": "Bearer token",
    })
    write("bearer_header", {
        "rfc6750": b"\1\nBearer mF_9.B5f-4.1JqM",
        "lower_case": b"\1\nbearer  mF_9.B5f-4.1JqM==",
        "two_words": b"\1\nBearer one two",
        "padding_alone": b"\1\nBearer ==",
        "basic": b"\1\nBasic dXNlcjpwYXNz",
        "in_query": b"\0access_token=mF_9.B5f-4.1JqM&x=1\n",
        "in_query_escaped": b"\0x&access%5Ftoken=a%2Fb%2B%3D\n",
        "in_query_twice": b"\0access_token=one&access_token=two\n",
        "in_both": b"\0access_token=one\nBearer two",
        "in_query_unasked": b"\1access_token=one\n",
        "empty": b"\0access_token=\nBearer ",
    })
    write("challenge", {
        "usual": "feed\nfeed:read\nadmin",
        "quotes": 'a "quoted" \\ realm\nscope',
        "commas": 'realm="x", error="y"\na,b=c',
        "blank": " \nscope",
        "no_scope": "realm",
        "empty_scope": "realm\n",
        "quoted_scope": 'realm\nsco"pe',
        "tab": "re\talm\nscope",
        "utf8": "r\u00e9alm",
        "line_end": "realm\r\nscope",
        "all_printable": "".join(map(chr, range(32, 127))) + "\n!#$%&'()*+-./:;<=>?@[]^_`{|}~",
    })


def users():
    hashes = {
        "argon2id": "$argon2id$v=19$m=32,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "argon2i_old": "$argon2i$m=32,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "scrypt": "$scrypt$ln=4,r=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "pbkdf2": "$pbkdf2-sha256$i=10,l=32$c2FsdHNhbHRzYWx0$" + "A" * 43,
        "pbkdf2_512": "$pbkdf2-sha512$i=10$c2FsdHNhbHRzYWx0$" + "A" * 86,
        "unknown": "$2b$12$" + CANARY,
        "argon2_huge": "$argon2id$v=19$m=4294967295,t=4294967295,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "scrypt_huge": "$scrypt$ln=63,r=4294967295,p=4294967295$c2FsdHNhbHQ$" + "A" * 43,
        "pbkdf2_huge": "$pbkdf2-sha256$i=4294967295,l=32$c2FsdHNhbHRzYWx0$" + "A" * 43,
    }
    one = "[[users]]\nusername = '{}'\npassword = '{}'\n".format
    seeds = {name: "\1" + one("alice", hash) for name, hash in hashes.items()}
    seeds.update({
        "plain": "\0" + one("alice", CANARY) + "scopes = ['a', 'b']\n" + one("bob", "x"),
        "plain_refused": "\1" + one("alice", CANARY),
        "nested": "\0[[ballerina.auth.users]]\nusername='a'\npassword='" + CANARY + "'\nscopes='s'",
        "twice": "\0" + one("alice", CANARY) + one("alice", CANARY),
        "not_closed": "\0[[users]]\nusername = 'alice'\npassword = '" + CANARY,
        "unknown_key": "\0" + one("alice", CANARY) + "pass = 1",
        "inline": "\0users = [{username = 'a', password = \"" + CANARY + "\\u00e9\"}]",
        "not_utf8": b"\0users = [{username = 'a', password = '\xff'}]",
        "deep": "\0users = " + "[" * 200 + "]" * 200,
    })
    write("users_file", seeds)


def tokens():
    claims = {"sub": "alice", "aud": "feed", "exp": NOW + 60, "scope": "a b"}
    text = lambda **more: json.dumps({**claims, **more})
    # 3: signed well; 4, 2: with a header of its own, or that of HS256.
    signed = {
        "claims": text(),
        "times": text(exp=NOW + 0.5, nbf=NOW - 1.5, iat=NOW),
        "expired": text(exp=NOW),
        "far": text(exp=253402300799),
        "beyond": text(exp=1e300),
        "negative": text(nbf=-1),
        "not_yet": text(nbf=NOW + 1),
        "expiry_text": text(exp=str(NOW + 60)),
        "audiences": text(aud=["other", "feed"]),
        "other_audience": text(aud="other"),
        "no_audience": json.dumps({"exp": NOW + 60}),
        "scopes": text(scope=["a b", "c"]),
        "twice": '{"exp": 1, "aud": "feed", "exp": 1800000060}',
        "deep": text(deep=[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]),
        "nested_twice": '{"aud": "feed", "exp": 1800000060, "a": {"b": 1, "b": 2}}',
    }
    seeds = {"signed_" + name: "\3\2" + claims for name, claims in signed.items()}
    for name, header in {
        "crit": '{"alg":"HS256","crit":["x"],"x":1}',
        "none": '{"alg":"none"}',
        "twice": '{"alg":"HS256","alg":"none"}',
        "typ": '{"alg":"HS256","typ":"at+jwt","kid":"../../key","jku":"https://example.com"}',
    }.items():
        seeds["header_" + name] = "\3\4" + header + "\n" + text()
    for i, name in enumerate(["empty", "set", "name", "certificate", "unsigned"]):
        for header, kind in enumerate(["none", "rs256", "hs256"]):
            seeds[f"forged_{name}_{kind}"] = "\2" + chr(i) + chr(header) + text()
    for i, name in enumerate(["rs256", "es256", "eddsa", "hs256"]):
        seeds["issued_" + name] = "\1" + chr(i) + "\1"
        # A byte of the signature, one of the header, and the parts of two.
        seeds["changed_" + name] = "\1" + chr(i) + "\1" + "\xff\1\1A"
        seeds["parts_" + name] = "\1" + chr(i) + "\0" + chr(i) + chr((i + 1) % 4) + chr(i)
    seeds["raw"] = "\0eyJhbGciOiJub25lIn0.e30."
    seeds["dots"] = "\0" + "." * 100
    write("jwt", {name: seed.encode("latin-1") for name, seed in seeds.items()})

    keys = json.loads((KEYS / "keys.jwks").read_text())["keys"]
    rsa, p256, ed25519 = keys
    big = lambda size: base64.urlsafe_b64encode(b"\xff" * size).decode().rstrip("=")
    document = lambda *keys: json.dumps({"keys": keys})
    write("jwks", {
        "ours": document(*keys),
        "rsa": document(rsa),
        "rsa_zero_in_front": document({**rsa, "e": "AAEAAQ"}),
        "rsa_exponent_1": document({**rsa, "e": "AQ"}),
        "rsa_exponent_even": document({**rsa, "e": "Ag"}),
        "rsa_exponent_huge": document({**rsa, "e": rsa["n"]}),
        "rsa_1024": document({**rsa, "n": big(128)}),
        "rsa_8192": document({**rsa, "n": big(1024)}),
        "rsa_16384": document({**rsa, "n": big(2048)}),
        "rsa_private": document({**rsa, "d": CANARY}),
        "ec": document(p256, {**p256, "kid": "other", "alg": "ES384"}),
        "ec_off_curve": document({**p256, "y": p256["x"]}),
        "ec_short": document({**p256, "x": "AA"}),
        "ec_p384": document({**p256, "crv": "P-384", "x": big(48), "y": big(48)}),
        "okp": document(ed25519),
        "okp_x25519": document({**ed25519, "crv": "X25519"}),
        "okp_small_order": document({**ed25519, "x": "AQ" + "A" * 41}),
        "oct": document({"kty": "oct", "k": CANARY}),
        "encryption": document({**rsa, "use": "enc"}, {**p256, "key_ops": ["sign"]}),
        "same_id": document({**rsa, "kid": "p256"}, p256),
        "many": document(*[{"kty": "oct"}] * 101),
        "twice": '{"keys": [], "keys": []}',
        "no_keys": "{}",
    })
    write("token_response", {
        "rfc6749": json.dumps({
            "access_token": "2YotnFZFEjr1zCsicMWpAA", "token_type": "example",
            "expires_in": 3600, "refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA"}),
        "bearer": json.dumps({
            "access_token": CANARY, "token_type": "bEaReR", "expires_in": 3600,
            "refresh_token": CANARY, "scope": "a b"}),
        "no_type": json.dumps({"access_token": CANARY}),
        "seconds_text": json.dumps({"access_token": CANARY, "expires_in": " 3600 "}),
        "seconds_part": json.dumps({"access_token": CANARY, "expires_in": 0.5}),
        "seconds_negative": json.dumps({"access_token": CANARY, "expires_in": -1}),
        "seconds_huge": json.dumps({"access_token": CANARY, "expires_in": 1e300}),
        "seconds_u64": json.dumps({"access_token": CANARY, "expires_in": 2**64 - 1}),
        "seconds_infinite": json.dumps({"access_token": CANARY, "expires_in": "inf"}),
        "seconds_list": json.dumps({"access_token": CANARY, "expires_in": [1]}),
        "token_number": '{"access_token": 1}',
        "token_blank": json.dumps({"access_token": CANARY + " x"}),
        "refused": json.dumps({"error": "invalid_client", "error_description": "\u00e9\n" * 99}),
        "refused_object": json.dumps({"error": {"code": 1}, "access_token": CANARY}),
        "twice": '{"access_token": "Ca9-kQz7", "access_token": "another"}',
        "cut": '{"access_token": "Ca9-kQz7',
        "html": "<html>Ca9-kQz7</html>",
        "list": json.dumps([CANARY, None, 1, None, None, None, None]),
    })
    write("introspection_response", {
        "rfc7662": json.dumps({
            "active": True, "client_id": "l238j323ds-23ij4", "username": "jdoe",
            "scope": "read write dolphin", "sub": "Z5O3upPC88QrAjx00dis",
            "aud": "https://protected.example.net/resource", "iss": "https://example.com/",
            "exp": 1419356238, "iat": 1419350238, "extension_field": "twenty-seven"}),
        "inactive": '{"active": false}',
        "active_text": '{"active": "true"}',
        "active_twice": '{"active": false, "active": true}',
        "expiry_text": '{"active": true, "exp": "1419356238.5"}',
        "expiry_list": '{"active": true, "exp": []}',
        "scope_list": '{"active": true, "scope": ["a", "b"]}',
        "bound": '{"active": true, "cnf": {"x5t#S256": "Ca9-kQz7"}}',
        "nulls": '{"active": true, "sub": null, "exp": null, "scope": null, "cnf": null}',
        "sub_number": '{"active": true, "sub": 1}',
        "list": "[true, null, null, null, null, null, null, null, null, null]",
        "cut": '{"active": true, "sub": "Ca9-kQz7',
    })


def der(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = bytes([size]) if size < 128 else bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + length + content


def integer(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def oid(text):
    first, second, *others = map(int, text.split("."))
    content = bytes([first * 40 + second])
    for number in others:
        digits = [number & 127]
        while number := number >> 7:
            digits.append(number & 127 | 128)
        content += bytes(reversed(digits))
    return der(6, content)


def derived(name, *numbers):
    """A key that is encrypted with a password, at a cost."""
    salt, cipher = der(4, b"saltsalt"), der(48, oid("2.16.840.1.101.3.4.1.42"), der(4, bytes(16)))
    numbers = b"".join(map(integer, numbers))
    if name == "triple_des":
        algorithm = der(48, oid("1.2.840.113549.1.12.1.3"), der(48, salt, numbers))
    else:
        sha256 = der(48, oid("1.2.840.113549.2.9"), der(5))
        kdf = {"pbkdf2": [oid("1.2.840.113549.1.5.12"), der(48, salt, numbers, sha256)],
               "scrypt": [oid("1.3.6.1.4.1.11591.4.11"), der(48, salt, numbers)]}[name]
        algorithm = der(48, oid("1.2.840.113549.1.5.13"), der(48, der(48, *kdf), cipher))
    return der(48, algorithm, der(4, bytes(32)))


def pem(key):
    lines = base64.encodebytes(key).decode().replace("\n", "")
    lines = "\n".join(lines[i:i + 64] for i in range(0, len(lines), 64))
    label = "ENCRYPTED PRIVATE KEY-----\n"
    return f"-----BEGIN {label}{lines}\n-----END {label}".encode()


def store(*keys):
    shrouded = oid("1.2.840.113549.1.12.10.1.2")
    data = lambda content: der(48, oid("1.2.840.113549.1.7.1"), der(0xA0, der(4, content)))
    bags = [der(48, shrouded, der(0xA0, key)) for key in keys]
    return der(48, integer(3), data(der(48, data(der(48, *bags)))))


COSTS = {
    "rounds": derived("pbkdf2", 2**32 - 1),
    "memory": derived("scrypt", 2**60, 8, 1),
    "passes": derived("scrypt", 2**14, 8, 2**15),
    "scrypt_0": derived("scrypt", 0, 8, 1),
    "scrypt_3": derived("scrypt", 3, 8, 1),
    "cheap": derived("scrypt", 2, 1, 1),
}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True).stdout


def files():
    none, ours, empty = b"\0", b"\1", b"\2"
    key, chain = KEYS / "server.key", KEYS / "server.pem"
    rsa, p256 = KEYS / "rsa.key", KEYS / "p256.key"
    password = ["-passout", "pass:" + CANARY]
    encrypted = lambda *how: ours + run("openssl", "pkcs8", "-topk8", "-in", key, *password, *how)
    public = lambda key: none + run("openssl", "pkey", "-in", key, "-pubout")
    pkcs1 = encrypted("-iter", "1")
    cheap = encrypted("-scrypt", "-scrypt_N", "2", "-scrypt_r", "1", "-scrypt_p", "1")
    write("pem", {
        "certificate": none + chain.read_bytes(),
        "certificate_and_key": none + chain.read_bytes() + key.read_bytes(),
        "certificate_der": none + run("openssl", "x509", "-in", chain, "-outform", "DER"),
        "key_der": none + run("openssl", "pkey", "-in", key, "-outform", "DER"),
        "key_rsa": none + rsa.read_bytes(),
        "key_rsa_pkcs1": none + run("openssl", "pkey", "-in", rsa, "-traditional"),
        "key_ec": none + p256.read_bytes(),
        "key_ec_sec1": none + run("openssl", "pkey", "-in", p256, "-traditional"),
        "key_encrypted": chain.read_bytes().join([ours, pkcs1[1:]]),
        "key_encrypted_gcm": encrypted("-iter", "1", "-v2", "aes-128-cbc"),
        "key_encrypted_scrypt": cheap,
        "key_encrypted_old": encrypted("-v1", "PBE-SHA1-3DES"),
        "key_encrypted_no_password": none + pkcs1[1:],
        "key_encrypted_traditional": ours + run(
            "openssl", "rsa", "-in", rsa, "-traditional", "-aes128", *password),
        "public_rsa": public(rsa),
        "public_ec": public(p256),
        "public_ed25519": public(key),
        "public_rsa_pkcs1": none + run("openssl", "rsa", "-in", rsa, "-RSAPublicKey_out"),
        "no_end": none + b"-----BEGIN PRIVATE KEY-----\nAAAA\n",
        "no_base64": none + b"-----BEGIN PRIVATE KEY-----\nCa9-kQz7!\n-----END PRIVATE KEY-----\n",
    })

    write("pem", {"cost_" + name: ours + pem(key) for name, key in COSTS.items()})
    write("pkcs12", {"cost_" + name: b"\1\1" + store(key) for name, key in COSTS.items()})
    write("pkcs12", {
        "cost_triple_des": b"\1\1" + store(derived("triple_des", 2**31 - 1)),
        "cost_shared": b"\1\1" + store(*[derived("pbkdf2", 900_000)] * 6),
    })

    with tempfile.TemporaryDirectory() as folder:
        trust = pathlib.Path(folder) / "trust.p12"

        def pkcs12(*how, key=key, chain=chain):
            identity = ["-inkey", key, "-in", chain] if key else ["-nokeys", "-in", chain]
            return run("openssl", "pkcs12", "-export", *identity, "-name", "Gateway", *how)

        mine = ["-passout", "pass:" + CANARY]
        plain = ["-keypbe", "NONE", "-certpbe", "NONE", "-nomac"]
        once = ["-iter", "1", "-maciter"]
        legacy = ["-legacy", "-iter", "1", "-nomac"]
        java = ["-J-Dkeystore.pkcs12." + name + "IterationCount=1"
                for name in ["keyPbe", "certPbe", "mac"]]
        run("keytool", *java, "-importcert", "-noprompt", "-alias", "authority", "-storetype",
            "PKCS12", "-file", KEYS / "ca.pem", "-keystore", trust, "-storepass", CANARY)
        write("pkcs12", {
            "usual": b"\1\1" + pkcs12(*mine, *once),
            "alias": b"\1\0" + pkcs12(*mine, *once),
            "no_mac": b"\1\1" + pkcs12(*mine, "-iter", "1", "-nomac"),
            "no_mac_wrong_password": b"\3\1" + pkcs12(*mine, "-iter", "1", "-nomac"),
            "plain": b"\1\1" + pkcs12(*mine, *plain),
            "trust": b"\1\1" + pkcs12(*mine, "-iter", "1", "-nomac", key=None),
            "trust_java": b"\1\1" + trust.read_bytes(),
            "legacy": b"\1\1" + pkcs12(*mine, *legacy),
            "empty_password": empty + b"\1" + pkcs12("-passout", "pass:", "-iter", "1", "-nomac"),
        })


def sessions():
    """Bytes that `tls_session` reads: a choice of what happens and at whose end, with numbers."""
    carry, some, seal, long, close, again, change = 0, 6, 8, 10, 11, 12, 14
    both = [carry, 0, carry, 1]
    handshake = both * 3
    data = [seal, 0, 20, seal, 1, 30]
    operations = {
        "data": handshake + data + both + data + both,
        "long": handshake + [long, 0, 0x00, 0x80, long, 1, 0x00, 0x90] + both,
        "pieces": [some, 0, 30, some, 0, 63] * 8 + [some, 1, 63] * 20 + both * 2 + data,
        "close": handshake + data + [close, 0] + both + [close, 1] + both + data + [close, 0],
        "early": [seal, 0, 9, close, 1, again, 0] + both * 2,
        # One bit, bytes in between, bytes fewer, all twice.
        "bit": [change, 0, 40, 0, 3, 2] + both * 3,
        "bit_answer": [carry, 0, change, 1, 90, 0, 3, 2] + both * 3,
        "inserted": [carry, 0, change, 1, 0, 0, 0, 0, 7, 21, 3, 3, 0, 2, 2, 40] + both * 3,
        "shorter": [change, 0, 5, 0, 7, 1, 0] + both * 3,
        "twice": handshake + data + [change, 0, 0, 0, 0, 3] + both,
        "twice_often": [change, 0, 0, 0, 0, 3] * 20 + both,
        "alert": [carry, 0, change, 1, 0, 0, 0, 0, 7, 21, 3, 3, 0, 2, 1, 0] + both * 3,
        "changed_record": handshake + data + [change, 0, 12, 0, 0, 2] + both + data + both,
    }
    for i, version in enumerate(["tls13", "tls13_mutual", "tls12", "tls12_mutual"]):
        seeds = {f"{name}_{version}": bytes([i] + it) for name, it in operations.items()}
        write("tls_session", seeds)


headers()
users()
tokens()
files()
sessions()
