"""Each kind of secret is found where people write it, and hardly any real code is touched."""

from __future__ import annotations

import random
import re
import string
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from learning.experience.redact import MARK, redact
from learning.experience.secret_shapes import ISSUED

_DRAW = random.Random(3)  # noqa: S311 - secrets that nobody uses


def w(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(_DRAW.choice(alphabet) for _ in range(count))


def h(count: int) -> str:
    return w(count, string.hexdigits[:16])


U = "Hunter2-" + w(6)
_BASE64 = string.ascii_letters + string.digits + "/+"
PLAIN: dict[str, tuple[str, str | None]] = {
    "yaml": (f"db:\n  host: x\n  password: {U}\n", U),
    "yaml hunter2": ("  password: hunter2\n", "hunter2"),
    "yaml quoted": (f"password: '{U}'\n", U),
    "lower env": (f"db_password={U}\n", U),
    "lower ini": (f"[db]\npassword = {U}\n", U),
    "props": (f"spring.datasource.password={U}\n", U),
    "dsn": (f"host=db password={U} dbname=x", U),
    "ado": (f"Server=x;User Id=sa;Password={U};", U),
    "query": (f"GET /x?api_key={U}&y=1", U),
    "curl -u": (f"curl -u admin:{U} https://x", U),
    "curl --user": (f"curl --user admin:{U} https://x", U),
    "curl -H": (f"curl -H 'X-Api-Key: {U}' https://x", U),
    "hdr auth basic": (f"Authorization: Basic {w(20)}==", None),
    "hdr token": (f"PRIVATE-TOKEN: {U}", U),
    "hdr raw auth": (f"Authorization: {w(40)}", None),
    "cookie": (f"Cookie: sessionid={w(32)}", None),
    "url token": (f"https://{w(40)}@github.com/x/y.git", None),
    "url user pw": (f"https://bob:{U}@host/x", U),
    "redis": (f"redis://:{U}@host:6379/0", U),
    "netrc": (f"machine api.x.com\n  login bob\n  password {U}\n", U),
    "npmrc": (f"//registry.npmjs.org/:_authToken={w(36)}", None),
    "npmrc _password": (f"//r/:_password={w(20)}==", None),
    "pgpass": (f"db.x.com:5432:shop:bob:{U}", U),
    "pypirc": (f"[pypi]\nusername = __token__\npassword = pypi-{w(60)}\n", None),
    "aws file": (f"[default]\naws_secret_access_key = {w(40, _BASE64)}\n", None),
    "aws session": (f"aws_session_token = {w(200, _BASE64)}\n", None),
    "gcloud": (f'{{"client_secret": "{w(24)}"}}', None),
    "gcp sa": (
        f'{{"private_key": "-----BEGIN PRIVATE KEY-----\\nMIIE{w(60)}\\n-----END PRIVATE KEY-----\\n"}}',
        None,
    ),
    "azure conn": (f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={w(86)}==;", None),
    "kube token": (f"    token: {w(40)}\n", None),
    "kube key": (f"    client-key-data: {w(400)}==\n", None),
    "docker": (f'{{"auths": {{"x": {{"auth": "{w(24)}"}}}}}}', None),
    "htpasswd": (f"bob:$apr1${w(8)}${w(22)}", None),
    "shadow": (f"root:$6${w(8)}${w(86)}:19000:0", None),
    "export": (f"export GITHUB_TOKEN={w(40)}", None),
    "inline env": (f"$ PGPASSWORD={U} psql -h x", U),
    "mysql -p": (f"mysql -u root -p{U} shop", U),
    "sshpass": (f"sshpass -p {U} ssh x", U),
    "docker login": (f"docker login -u bob -p {U}", U),
    "--password": (f"tool --password {U}", U),
    "--token=": (f"tool --token={w(30)}", None),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", None),
    "slack hook": (f"https://hooks.slack.com/services/T{w(8)}/B{w(8)}/{w(24)}", None),
    "discord hook": (f"https://discord.com/api/webhooks/{w(18, string.digits)}/{w(68)}", None),
    "discord bot": (f"M{w(23)}.{w(6)}.{w(38)}", None),
    "telegram": (f"{w(10, string.digits[1:])}:AA{w(33)}", None),
    "twilio": (f"SK{h(32)}", None),
    "sendgrid": (f"SG.{w(22)}.{w(43)}", None),
    "mailgun": (f"key-{h(32)}", None),
    "gpg": (
        "-----BEGIN PGP PRIVATE KEY " + "BLOCK-----\nxyz\n-----END PGP PRIVATE KEY BLOCK-----",
        "xyz",
    ),
    "camel": (f'"clientSecret": "{w(32)}"', None),
    "go": (f'password := "{U}"', U),
    "ruby": (f':password => "{U}"', U),
    "sqlalchemy": (f'create_engine("postgresql://u:{U}@h/d")', U),
    "terraform": (f'  secret_key = "{w(40)}"', None),
    "dockerfile": (f"ENV API_TOKEN={w(30)}\nENV DB_PASSWORD {U}", U),
    "cli json": (f'{{"password":"{U}"}}', U),
    "xml": (f"<password>{U}</password>", U),
    "maven": (f"<server><username>x</username><password>{U}</password></server>", U),
    "keystore": (f"storePassword={U}", U),
    "pwd": (f"pwd: {U}", U),
    "python bytes": (f'SECRET_KEY = b"{w(40)}"', None),
    "django": (f"SECRET_KEY = 'django-insecure-{w(50)}'", None),
    "fstring": (f'password = f"{U}"', U),
    "log": (f"ERROR login failed user=bob password={U}", U),
    "sql": (f"CREATE USER bob WITH PASSWORD '{U}';", U),
    "sql2": (f"IDENTIFIED BY '{U}'", U),
    "basic b64": (f'headers = {{"Authorization": "Basic {w(24)}"}}', None),
    "my.cnf": (f"[client]\npassword={U}", U),
    "wifi": (f'psk="{U}"', U),
    "openssh": ("-----BEGIN OPENSSH PRIVATE " + "KEY-----\nb3BlbnNzaC1rZXktdjEAAAA\n", "b3BlbnNz"),
    "putty": ("PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 8\nAAAAB3Nza" + w(50) + "\n", None),
    "dict": (f"{{'password': '{U}'}}", U),
    "call": (f"connect(password='{U}')", U),
    "passphrase": (f"passphrase: {U}", U),
    "pass": (f"pass = {U}", U),
    "rclone": (f"[r]\ntype = sftp\npass = {w(30)}\n", None),
    "oauth": (f"access_token={w(40)}", None),
    "refresh": (f'"refresh_token": "{w(60)}"', None),
    "hex secret": (f"secret: {h(32)}", None),
    "encryption key": (f"encryption_key = '{h(64)}'", None),
    "in a string": (f'print("password: {U}")', U),
    "annotation": (f'password: str = "{U}"', U),
    "item": (f"config['SECRET_KEY'] = '{U}'", U),
    "item of the environment": (f'os.environ["DB_PASSWORD"] = "{U}"', U),
    "default": (f'os.getenv("API_TOKEN", "{U}")', U),
    "define": (f"define('DB_PASSWORD', '{U}');", U),
    "pair": (f"('password', '{U}')", U),
    "wrapper": (f'Settings(password=SecretStr("{U}"))', U),
    "shown object": (f"User(name=bob, password=9{U}z)", U),
    "backticks": (f"const apiKey = `{U}`;", U),
    "three quotes": (f'password = """{U}"""', U),
    "other quote": (f'password = "it\'s{U}"', U),
    "escaped quote": (f"password = 'it\\'s{U}'", U),
    "next line": (f'password = (\n    "{U}"\n)', U),
    "JSON in JSON": (f'{{\\"password\\":\\"{U}\\"}}', U),
    "YAML folded": (f"password: >-\n  {U}\n", U),
    "YAML anchor": (f"password: &pw {U}", U),
    "YAML name and value": (f"- name: DB_PASSWORD\n  value: {U}", U),
    "JSON name and value": (f'{{"name": "DB_PASSWORD", "value": "{U}"}}', U),
    "XML name and value": (f'<add key="DbPassword" value="{U}"/>', U),
    "HTML": (f'<input type="password" value="{U}">', U),
    "Terraform": (f'variable "db_password" {{\n  default = "{U}"\n}}', U),
    "fish": (f"set -gx API_TOKEN {U}", U),
    "csh": (f"setenv DB_PASSWORD {U}", U),
    "quoted environment": (f'docker run -e "DB_PASSWORD={U}" x', U),
    "setter": (f'source.setPassword("{U}");', U),
    "auth pair": (f"get(url, auth=('bob', '{U}'))", U),
    "login": (f'server.login("bob@x.com", "{U}")', U),
    "bindpw": (f"bindpw: {U}", U),
    "ldapsearch": (f"ldapsearch -D cn=x -w {U}", U),
    "pscp": (f"pscp -pw {U} x y", U),
    "aws configure": (f"aws configure set aws_secret_access_key {w(40)}", None),
    "net use": (f"net use z: \\\\h\\s /user:bob {U}", U),
    "Oracle": (f"jdbc:oracle:thin:scott/{U}@//h:1521/x", U),
    "German": (f"passwort: {U}", U),
    "French": (f"mot_de_passe: {U}", U),
    "Russian": (f"пароль: {U}", U),
    "Rails": (f"secret_key_base: {h(128)}", None),
    "Laravel": (f"APP_KEY=base64:{w(43)}=", None),
    "Vault header": (f"X-Vault-Token: s.{w(24)}", None),
    "header of an f-string": (f"headers={{'Authorization': f'token {w(24)}'}}", None),
    "bearer": (f"bearer 1{w(40)}", None),
    "JWK": (f'{{"kty":"RSA","d":"{w(86)}","p":"{w(60)}"}}', None),
    "bold": (f"**Password**: {U}", U),
    "code of Markdown": (f"- Password: `{U}`", U),
    "table of Markdown": (f"| password | {U} |", U),
    "sentence": (f"the password is {U}", U),
    "SSH2": (
        "---- BEGIN SSH2 ENCRYPTED PRIVATE "
        + "KEY ----\nxyz\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
        "xyz",
    ),
    "Django's hash": (f"pbkdf2_sha256$600000${w(22)}${w(43)}=", None),
    "Argon": (f"$argon2id$v=19$m=65536,t=3,p=4${w(22)}${w(43)}", None),
    "webhook secret": (f"webhook_secret: {w(24)}", None),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_a_secret_goes_wherever_people_write_it(kind: str) -> None:
    text, secret = PLAIN[kind]
    cleaned = redact(text)
    assert (secret or max(re.findall(r"[A-Za-z0-9+/]{12,}", text), key=len)) not in cleaned
    assert MARK in cleaned
    assert redact(cleaned) == cleaned


@pytest.mark.parametrize("kind", ISSUED)
def test_what_an_issuer_hands_out_goes_wherever_it_stands(kind: str) -> None:
    @settings(max_examples=5, deadline=None)
    @given(st.from_regex(re.compile(ISSUED[kind], re.ASCII), fullmatch=True))
    def goes(secret: str) -> None:
        assert secret not in redact(f"the value is {secret} today")
        assert secret not in redact(f"x='{secret}'")

    goes()


CODE = """
token = tokens[0]
self.password = password
def login(user, password: str = "", token: str | None = None): ...
password = getpass("Password: ")
names = ["password", "username", "api_key"]
key = os.environ["API_TOKEN"]
kinds = ('SECRET_KEY', 'PKCS7_ISSUER_AND_SERIAL')
connect(user=user, password=password, token=token2)
struct.pack('>BBB', token | 0xF, 0x10, size)
topics = {'pass': ('pass', '')}
| token | string | optional |
Password: the one of your account
<input type="password" name="password">
auth = (user, password)
server.login(user, password)
set -e
"""


@pytest.mark.parametrize("line", CODE.strip().splitlines())
def test_code_that_only_speaks_of_secrets_stays(line: str) -> None:
    assert redact(line) == line


@pytest.mark.slow
def test_the_standard_library_is_hardly_touched() -> None:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    changed = [file.name for file, text in zip(files, texts, strict=True) if redact(text) != text]
    assert len(changed) * 100 <= len(files), changed
