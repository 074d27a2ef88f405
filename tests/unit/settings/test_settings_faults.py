"""Every message about a bad settings file is in words: it names the key and the choices, and quotes no library."""

import re

import pytest

from service.settings import Settings, SettingsError
from service.settings.faults import PATTERNS, parts_of
from service.settings.model import Whole
from service.settings.section import Section

KEYS = '{ access_key = "a", secret_key = "b" }'
APP = '[apps.main]\napp_id = "a"\ncustomer_id = "c"\ncustomer_secret = "s"\nsetup = true\n'
STORE = f'[storage.own]\nvendor = 1\nregion = 7\nbucket = "b-1"\nread = {KEYS}\nwrite = {KEYS}\n'
HOOK = '[endpoints.crm]\nurl = "https://a.example.org/"\nsecrets = ["whsec_QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD"]\n'
POSTGRES = f'url = "postgresql://u@h/x"\nsealing_keys = ["{"A" * 43}="]'
BOTH = "and a password in `database.url` are both set: keep one of them"
LIBRARYS = re.compile(r"tuple|dictionary|instance|pattern|valid string|parse|Tuple|pydantic|<class|\^|Errno|validation")

# Of each bad value the setting and the message.
VALUES = {
    "deployment = 5": "deployment: should be text in quotes",
    'deployment = "PROD"': "deployment: should be 2 to 8 lower-case letters and digits",
    "apps = []": "apps: should hold tables with names: [apps.<name>]",
    '[apps]\nmain = "x"': "apps.main: should be a table: [apps.main]",
    '[apps]\napp_id = "x"': "apps.app_id: belongs into a table with a name: [apps.<name>]",
    APP.replace("apps.main", "apps.Main"): "apps.Main: is not a valid name: use 1 to 31 lower-case letters, digits",
    APP.replace('"a"', '"a b"'): "apps.main.app_id: should be 1 to 64 letters, digits, - and _",
    APP.replace('"s"', "5"): "apps.main.customer_secret: should be text in quotes",
    APP + 'ncs_secrets = "x"': "apps.main.ncs_secrets: should be a list in brackets: […]",
    APP + 'ncs_secrets = ["x", "y", "z"]': "apps.main.ncs_secrets: should have at most 2 entries",
    APP.replace("true", '"true"'): "apps.main.setup: should be true or false, without quotes",
    APP.replace("true", '"perhaps"') + 'ncs_secrets = ["x"]': "apps.main.setup: should be true or false",
    APP.replace("true", "3") + 'ncs_secrets = ["x"]': "apps.main.setup: should be true or false",
    APP + 'region = "eu"': "apps.main.region: should be 'CN', 'AP', 'EU' or 'NA'",
    APP + "base_urls = []": "apps.main.base_urls: should have at least 1 entry",
    APP + "max_concurrent = 1.5": "apps.main.max_concurrent: should be a whole number, at least 0",
    STORE.replace('"b-1"', '"s3://b-1"'): "storage.own.bucket: should be the bucket's name alone",
    STORE.replace(f"read = {KEYS}", 'read = "x"'): "storage.own.read: should be a table: [storage.own.read]",
    STORE + 'prefix = ["a/b"]': "storage.own.prefix.0: should be letters and digits alone: one entry for each folder",
    STORE + 'level = "deep"': "storage.own.level: should be 'listing', 'structure', 'content', 'bytes' or 'full'",
    STORE + 'tag = ""': "storage.own.tag: should have at least 1 character",
    STORE + 'region_name = "EU Central"': "storage.own.region_name: should be the name of a region",
    '[api]\nport = "http"': "api.port: should be a whole number from 0 to 65535",
    "[api]\nport = true": "api.port: should be a whole number from 0 to 65535",
    "[api]\nhost = 1": "api.host: should be text in quotes",
    'api = "x"': "api: should be a table: [api]",
    '[database]\nurl = "mysql://x"': "database.url: should be sqlite:///PATH or postgresql://user@host:port/name",
    "[database]\nsealing_keys = []": "database.sealing_keys: should have at least 1 entry",
    "[presets.default]\nvideo_fps = 1": "presets.default.video_fps: should be a whole number from 5 to 60",
    "[timing]\nwatch_seconds = nan": "timing.watch_seconds: should be a number, more than 0 and at most 2592000",
    "[timing]\nretry_seconds = [1, -1]": "timing.retry_seconds.1: should be a number from 0 to 2592000",
    "[timing]\nmissing_share = 1": "timing.missing_share: should be a number, at least 0 and less than 1",
    HOOK + 'types = ["recording.done"]': "endpoints.crm.types.0: should be 'recording.started'",
    HOOK.replace("https", "http"): "endpoints.crm.url: should begin with https://",
    f'[owners."{"x" * 101}"]\nmax_concurrent = 1': f"owners.{'x' * 101}: is not a valid name: use 1 to 100 printable",
    '[owners."a "]\nmax_concurrent = 1': "owners.a : is not a valid name: use 1 to 100 printable",
    HOOK
    + 'owners = ["\\u0007"]': "endpoints.crm.owners.0: should be 1 to 100 printable characters, without a blank at",
    STORE.replace("vendor = 1", "vendor = 9"): "storage.own.vendor: should be 1, 2, 3, 5, 6, 7, 8 or 11",
    STORE.replace("vendor = 1", 'vendor = "s3"'): "storage.own.vendor: should be 1, 2, 3, 5, 6, 7, 8 or 11",
    STORE.replace("vendor = 1", "legacy_vendor = true\nvendor = 9"): "storage.own.vendor: should be 0, 1, 2, 3, 4, 5",
    '[api]\nport = "18080"': "api.port: should be a whole number from 0 to 65535, without quotes",
    APP + 'max_concurrent = "5"': "apps.main.max_concurrent: should be a whole number, at least 0, without quotes",
    '[timing]\nretry_seconds = [1, "2.5"]': "timing.retry_seconds: should be a number from 0 to 2592000, without",
    f"[database]\n{POSTGRES.replace('u@', 'u:CANARY@')}\npassword = 'CANARY'": f"database.password: {BOTH}",
    f"[database]\n{POSTGRES.replace('/x', '/x?password=CANARY')}\npassword = 'CANARY'": f"database.password: {BOTH}",
    f"[database]\n{POSTGRES.replace('u@', '')}\npassword = 'CANARY'": "database.password: is for a user that `database",
    "[database]\npassword = 'CANARY'": "database.password: is for a user that `database.url` names: postgresql://user@",
    '[prices]\ncurrency = "usd"': "prices.currency: should be three capital letters, such as USD",
    "bootstrap_token_file = 5": "bootstrap_token_file: should be the path of a file, in quotes",
    '[signing]\ntimestamp_ca = "/nofile"': "signing.timestamp_ca: file /nofile cannot be read (No such file",
    "[callbacks]\nport = 8080": "callbacks.port: 8080 belongs to the API: use another port for the callbacks",
    "[log]\ncolour = 1": "log.colour: is not a setting; the settings here are level, format",
}
FORMS = {
    "deployment: t1\n": "is not TOML at line 1, column 11: write KEY = VALUE",
    '{"deployment": "t1"}': "is not TOML at line 1, column 1: write KEY = VALUE, or [table]",
    'a = 1\na = "t2"\n': "is not TOML at line 2, column 9: this key is set twice",
    "[api]\n[log]\n[api]\n": "is not TOML at line 3, column 5: this table stands twice, or its name is a key already",
    'a = "t1\n': "is not TOML at line 1, column 8: the closing quote is missing",
    "a = t1\n": "is not TOML at line 1, column 5: a value is missing, or is text without straight quotes",
    'a = "\\q"\n': "is not TOML at line 1, column 8: a backslash begins an escape",
    'a = "x" b\n': "is not TOML at line 1, column 9: something follows the value",
    "[apps main]\n": "is not TOML at line 1, column 7: the heading of a table is not closed",
    "a = [1\n": "is not TOML at its end: a list is not closed",
}


def faults(tmp_path, content):
    (tmp_path / "s.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as caught:
        Settings.load(tmp_path / "s.toml", {})
    return [problem.removeprefix(f"{tmp_path}/s.toml: ") for problem in caught.value.problems]


@pytest.mark.parametrize(("text", "said"), VALUES.items(), ids=range(len(VALUES)))
def test_a_bad_value_is_told_with_its_key_and_the_choices(tmp_path, text, said):
    own = "" if text.startswith("deployment") else 'deployment = "t1"\n'
    (found,) = faults(tmp_path, own + text)
    assert found.startswith(said)
    assert not LIBRARYS.search(found)


@pytest.mark.parametrize(("text", "said"), FORMS.items(), ids=range(len(FORMS)))
def test_a_file_that_is_no_toml_is_told_with_its_line(tmp_path, text, said):
    (found,) = faults(tmp_path, text)
    assert found.startswith(said)


def test_a_file_of_another_encoding_is_told_with_its_line(tmp_path):
    assert faults(tmp_path, 'deployment = "t1"\n'.encode("utf-16")) == ["is not UTF-8 but UTF-16: save it as UTF-8"]
    said = "is not UTF-8 in line 2: save it as UTF-8"
    assert faults(tmp_path, 'deployment = "t1"\n# caf\xe9\n'.encode("latin-1")) == [said]


def test_a_byte_order_mark_is_no_fault(tmp_path):
    (tmp_path / "s.toml").write_bytes(b'\xef\xbb\xbfdeployment = "t1"\n')
    assert Settings.load(tmp_path / "s.toml", {}).deployment == "t1"


def test_every_pattern_of_the_settings_has_words():
    def patterns(section):
        for info in section.model_fields.values():
            for part in parts_of(info.annotation, info.metadata):
                if isinstance(pattern := getattr(part, "pattern", None), str):
                    yield pattern
                if isinstance(part, type) and issubclass(part, Section):
                    yield from patterns(part)

    assert set(patterns(Whole)) == set(PATTERNS)
