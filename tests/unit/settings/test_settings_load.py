"""One TOML file, overridden by variables, and every fault at once."""

import dataclasses
import re
import textwrap
from base64 import b64encode
from pathlib import Path

import pytest

from service.policy import Policy
from service.recording import Location
from service.settings import Preset, Settings, SettingsError, Timing, documented_keys, location, secrets_of
from service.settings.load import ignored_variables

ROOT = Path(__file__).parents[3]
KEY = b64encode(b"canary".ljust(32)).decode()
GOOD = """
deployment = "test1"
[apps.main]
app_id = "app1"
customer_id = "cust"
customer_secret = "canary-secret"
ncs_secrets = ["canary-ncs"]
[storage.s3]
vendor = 1
region = 7
bucket = "archive"
prefix = ["rec", "A1"]
write = {access_key = "canary-wa", secret_key = "canary-ws"}
read = {access_key = "canary-ra", secret_key = "canary-rs"}
[presets.lecture]
app = "main"
storage = "s3"
"""


@pytest.fixture
def load(tmp_path):
    def load_text(text=GOOD, env=None, **extra):
        path = tmp_path / "pagereel.toml"
        path.write_text(textwrap.dedent(text))
        return Settings.load(path, env or {}, **extra)

    return load_text


def problems(load, text=GOOD, env=None, **extra):
    with pytest.raises(SettingsError) as caught:
        load(text, env, **extra)
    assert "canary" not in str(caught.value)
    return list(caught.value.problems)


def key_of(problem):
    return re.sub(r" \(from PAGEREEL_\w+\)$", "", problem.partition(": ")[0])


def test_the_example_loads_when_it_is_filled_in(load):
    """With the parts that are comments, too."""
    example = (ROOT / "pagereel.example.toml").read_text().replace("put-yours-here", "filled-in")
    assert load(example).apps["main"].base_urls == ("https://api.agora.io", "https://api.sd-rtn.com")
    with_local = re.sub(r"^# (\[storage\.local\]|\w+ = )", r"\1", example.partition("[storage.local]")[2], flags=re.M)
    local = "[storage.local]" + with_local.partition("[presets.default]")[0]
    assert load(f'deployment = "t1"\n{local}').storage["local"].path_style is True


def test_each_placeholder_of_the_example_is_refused(tmp_path):
    """Inline, in a list, within a URL, and in the file of a secret."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(ROOT / "pagereel.example.toml", {})
    refused = [problem.partition(": ")[0] for problem in caught.value.problems]
    keys = [f"storage.archive.{pair}.{key}" for pair in ("read", "write") for key in ("access_key", "secret_key")]
    app = [f"apps.main.{key}" for key in ("app_id", "customer_id", "customer_secret", "ncs_secrets")]
    assert refused == sorted(["callbacks.public_url", "storage.archive.bucket", *app, *keys])
    assert all("is still the placeholder `put-yours-here`" in problem for problem in caught.value.problems)
    (tmp_path / "secret").write_text("put-yours-here\n")
    with pytest.raises(SettingsError, match=r"database.password \(from \w+\): is still the placeholder"):
        Settings.load(None, {"PAGEREEL_DEPLOYMENT": "t1", "PAGEREEL_DATABASE__PASSWORD_FILE": f"{tmp_path}/secret"})


def test_the_smallest_settings_have_every_default(load):
    settings = load('deployment = "t1"')
    assert (settings.database.url, settings.api.port, settings.callbacks.port) == ("sqlite:///pagereel.db", 8080, 8081)
    assert settings.presets == {"default": Preset()}
    assert (settings.limits.requests_per_second, settings.limits.burst) == (8, 2)


def test_without_a_file_the_variables_are_everything():
    assert Settings.load(None, {"PAGEREEL_DEPLOYMENT": "t1"}).deployment == "t1"


def test_a_variable_names_the_file(tmp_path):
    (tmp_path / "s.toml").write_text(GOOD)
    assert Settings.load(None, {"PAGEREEL_SETTINGS": str(tmp_path / "s.toml")}).deployment == "test1"


def test_values_arrive_with_their_types(load):
    settings = load()
    app = settings.apps["main"]
    assert (app.app_id, app.rate_group, app.accept_sha1) == ("app1", "cust", False)
    assert (app.customer_secret.get(), [secret.get() for secret in app.ncs_secrets]) == (
        "canary-secret",
        ["canary-ncs"],
    )
    profile = settings.storage["s3"]
    assert profile.write_credentials().secret_key == "canary-ws"
    assert settings.presets["lecture"].app == "main"
    assert "default" in settings.presets


def test_no_dump_and_no_repr_shows_a_secret(load):
    settings = load(
        env={"PAGEREEL_DATABASE__URL": "postgresql://u:canary@h/d", "PAGEREEL_DATABASE__SEALING_KEYS": f'["{KEY}"]'}
    )
    keys = settings.storage["s3"].write_credentials()
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()} {keys!r}"
    assert "canary" not in shown
    assert KEY not in shown
    assert len(list(secrets_of(settings))) == 7


@pytest.mark.parametrize(
    ("name", "value", "read", "expected"),
    [
        ("PAGEREEL_API__PORT", "9000", lambda s: s.api.port, 9000),
        ("PAGEREEL_WORKER__ENABLED", "false", lambda s: s.worker.enabled, False),
        ("PAGEREEL_WORKER__POLL_SECONDS", "0.5", lambda s: s.worker.poll_seconds, 0.5),
        ("PAGEREEL_APPS__MAIN__APP_ID", "12345", lambda s: s.apps["main"].app_id, "12345"),
        ("PAGEREEL_APPS__MAIN__CUSTOMER_SECRET", "777", lambda s: s.apps["main"].customer_secret.get(), "777"),
        ("PAGEREEL_APPS__MAIN__ACCEPT_SHA1", "TRUE", lambda s: s.apps["main"].accept_sha1, True),
        ("PAGEREEL_STORAGE__S3__VENDOR", "2", lambda s: s.storage["s3"].vendor, 2),
        ("PAGEREEL_STORAGE__S3__READ__ACCESS_KEY", "x", lambda s: s.storage["s3"].read.access_key.get(), "x"),
        ("PAGEREEL_TIMING__RETRY_SECONDS", "[1, 2]", lambda s: s.timing.retry_seconds, (1, 2)),
        ("PAGEREEL_URLS__ALLOW_HTTP_HOSTS", '["Demo:80"]', lambda s: s.urls.allow_http_hosts, ("demo:80",)),
        ("PAGEREEL_LOG", '{"level": "debug"}', lambda s: s.log.level, "debug"),
        ("PAGEREEL_PRESETS__NEW__VIDEO_FPS", "30", lambda s: s.presets["new"].video_fps, 30),
    ],
)
def test_a_variable_overrides_the_file(load, name, value, read, expected):
    assert read(load(env={name: value})) == expected


@pytest.mark.parametrize("name", ["PAGEREEL_PORT", "PAGEREEL_SERVICE_HOST", "PAGEREEL_PORT_8080_TCP_ADDR", "PATH"])
def test_a_variable_of_the_platform_is_ignored(load, name):
    assert load(env={name: "tcp://10.0.0.1:8080"})


@pytest.mark.parametrize("name", ["PAGEREEL_URL", "PAGEREEL_TOKEN", "PAGEREEL_TOKEN_FILE"])
def test_a_variable_for_who_talks_to_a_service_is_no_setting(load, name):
    assert load(env={name: "http://127.0.0.1:8080"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("PAGEREEL_API_PORT", "tcp://10.0.0.1:8080"), ("PAGEREEL_API_SERVICE_PORT", "8080")),
        *(("PAGEREEL_API_SERVICE_PORT_HTTP", "8080"), ("PAGEREEL_CALLBACKS_PORT_8081_TCP_PORT", "8081")),
        ("PAGEREEL_CALLBACKS_PORT", "udp://[fd00::1]:8081"),
    ],
)
def test_a_variable_that_kubernetes_sets_for_a_service_is_no_misspelt_setting(load, name, value):
    assert load(env={name: value})
    assert ignored_variables({name: value}) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PAGEREEL_API_PORT", "PAGEREEL_API__PORT"),
        ("PAGEREEL_API_PROT", "PAGEREEL_API__PORT"),
        ("PAGEREEL_CALLBACKS_PUBLIC_URL", "PAGEREEL_CALLBACKS__PUBLIC_URL"),
        ("PAGEREEL_DATABASE_URL", "PAGEREEL_DATABASE__URL"),
        ("PAGEREEL_WORKER_DRAIN_SECOND", "PAGEREEL_WORKER__DRAIN_SECONDS"),
        ("PAGEREEL_APPS_MAIN_CUSTOMER_ID", "PAGEREEL_APPS__MAIN__CUSTOMER_ID"),
        ("PAGEREEL_APPS_MAIN_CUSTOMER_SECRET_FILE", "PAGEREEL_APPS__MAIN__CUSTOMER_SECRET_FILE"),
        ("PAGEREEL_STORAGE_S3_READ_ACCESS_KEY", "PAGEREEL_STORAGE__S3__READ__ACCESS_KEY"),
    ],
)
def test_a_variable_without_its_double_underscore_is_refused_with_the_right_one(load, name, meant):
    (problem,) = problems(load, env={name: "canary"})
    assert problem.endswith(f" (from {name}): is not a setting; did you mean {meant}?")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PAGEREEL_API__PORT", "http", "api.port (from PAGEREEL_API__PORT): should be a whole number"),
        ("PAGEREEL_API", '{"port": "http"}', "api.port (from PAGEREEL_API): should be a whole number"),
        ("PAGEREEL_URLS__ALLOW_HTTP_HOSTS", "canary", "urls.allow_http_hosts (from PAGEREEL_URLS__ALLOW_HTTP_HOSTS): "),
        ("PAGEREEL_URLS__ALLOW_HTTP_HOSTS", '["a/b"]', "urls.allow_http_hosts.0 (from PAGEREEL_URLS__ALLOW_HTTP_HOSTS"),
        (
            "PAGEREEL_APPS__MAIN__CUSTOMER_SECRET_FILE",
            "/nowhere",
            "apps.main.customer_secret (from PAGEREEL_APPS__MAIN__CUSTOMER_SECRET_FILE): file /nowhere cannot be read",
        ),
    ],
    ids=["key", "table", "no-list", "entry", "file"],
)
def test_a_fault_of_a_value_from_a_variable_names_the_variable(load, name, value, said):
    (problem,) = problems(load, env={name: value})
    assert problem.startswith(said)


def test_a_fault_of_the_file_names_no_variable_of_another_key(load):
    (problem,) = problems(load, GOOD + '[api]\nport = "http"\n', env={"PAGEREEL_API__HOST": "127.0.0.1"})
    assert problem.startswith("api.port: should be")


def test_a_variable_that_means_nothing_to_anybody_is_known_as_such(load):
    env = {"PAGEREEL_COLOUR": "x", "PAGEREEL_TOKEN": "x", "PAGEREEL_LOG": "{}", "PAGEREEL_SETTINGS": "x", "HOME": "x"}
    assert ignored_variables(env) == ["PAGEREEL_COLOUR"]
    assert load(env={"PAGEREEL_COLOUR": "x"})


def test_a_secret_that_two_variables_give_is_refused_with_both(load, tmp_path):
    (tmp_path / "s").write_text("canary")
    inline, by_file = "PAGEREEL_APPS__MAIN__CUSTOMER_SECRET", "PAGEREEL_APPS__MAIN__CUSTOMER_SECRET_FILE"
    (problem,) = problems(load, env={inline: "canary", by_file: f"{tmp_path}/s"})
    assert problem.endswith(f"{inline} and {by_file} are both set: keep one of them")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('_secret = "canary-secret"', '_secret_file = "/none"', "customer_secret: and `customer_secret_file` are both"),
        ('ncs_secrets = ["canary-ncs"]', 'ncs_secret_files = ["/none"]', "ncs_secrets: and `ncs_secret_files` are"),
        ('ncs_secrets = ["canary-ncs"]', "ncs_secret_files = []", "ncs_secrets: and `ncs_secret_files` are both set"),
    ],
    ids=["secret", "list", "empty"],
)
def test_a_secret_inline_and_by_file_is_refused_with_both_keys(load, old, new, problem):
    line = next(line for line in GOOD.splitlines() if old in line)
    (found,) = problems(load, GOOD.replace(line, f"{line}\n{line.replace(old, new)}"))
    assert found.startswith(f"apps.main.{problem}")


HOOK = '[endpoints.crm]\nurl = "http://canary.example.org/"\nsecrets = ["whsec_QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD"]\n'


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (HOOK.replace('["whsec_', '["'), "endpoints.crm.secrets"),
        (HOOK + "timeout_seconds = 0\n", "endpoints.crm.timeout_seconds"),
        (HOOK + "[endpoints.erp]\n", "endpoints.erp.url"),
        (HOOK + "[log]\nlevel = 5\n", "log.level"),
    ],
    ids=["secrets", "number", "other", "section"],
)
def test_a_fault_of_an_address_is_told_beside_any_other(load, text, other):
    found = [problem.partition(": ")[0] for problem in problems(load, f"{GOOD}\n{text}")]
    assert {"endpoints.crm.url", other} <= set(found)
    assert len(found) == len(set(found))


def test_a_shared_port_is_told_beside_other_faults_of_the_listeners(load):
    found = problems(
        load, f"{GOOD}\n[api]\nport = 8081\n[callbacks]\npublic_url = 'http://x.example'\nread_seconds = 0"
    )
    keys = [problem.partition(": ")[0] for problem in found]
    assert keys == ["callbacks.port", "callbacks.public_url", "callbacks.read_seconds"]


def test_every_wrong_entry_of_a_list_is_told(load):
    text = GOOD.replace('app_id = "app1"', 'app_id = "app1"\nbase_urls = ["http://a.example", "https://b.example/v1"]')
    found = problems(load, text + "\n[urls]\nallow_http_hosts = ['http://a', 'b', 'c/d']\n")
    keys = [problem.partition(": ")[0] for problem in found]
    hosts = [f"urls.allow_http_hosts.{number}" for number in (0, 2)]
    assert keys == ["apps.main.base_urls.0", "apps.main.base_urls.1", *hosts]


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("/agora", ""),
        ("/agora/", ""),
        ("/agora/callbacks", ""),
        ("/agora/main/notifications", ""),
        ("/in/agora/x", "/in"),
    ],
)
def test_a_public_url_with_the_path_that_is_added_is_refused_with_what_to_write(load, path, before):
    (problem,) = problems(load, env={"PAGEREEL_CALLBACKS__PUBLIC_URL": f"https://x.example{path}"})
    wanted = f"scheme, host and port and the path {before}" if before else "scheme, host and port alone"
    assert key_of(problem) == "callbacks.public_url"
    assert problem.endswith(f": should not name /agora/…, which is added for each app: write {wanted}")


@pytest.mark.parametrize("path", ["", "/", "/in", "/agora-in", "/my/agoras"])
def test_a_public_url_may_have_another_path(load, path):
    assert load(env={"PAGEREEL_CALLBACKS__PUBLIC_URL": f"https://x.example{path}"})


def test_a_secret_by_variable_replaces_one_by_file_and_back(load, tmp_path):
    (tmp_path / "s").write_text("by-file\n")
    by_file = {"PAGEREEL_APPS__MAIN__CUSTOMER_SECRET_FILE": str(tmp_path / "s")}
    assert load(env=by_file).apps["main"].customer_secret.get() == "by-file"
    text = GOOD.replace('customer_secret = "canary-secret"', f'customer_secret_file = "{tmp_path}/s"')
    inline = {"PAGEREEL_APPS__MAIN__CUSTOMER_SECRET": "inline"}
    assert load(text, inline).apps["main"].customer_secret.get() == "inline"


def test_every_problem_is_named_at_once(load):
    text = """
        deployment = "Not-Good"
        apis = 1
        [api]
        port = 99999
        prot = 1
        [apps.main]
        app_id = "a b"
        customer_secrett = "canary"
        customer_secret = ""
        base_urls = ["http://api.agora.io", "https://x/path"]
        [apps."Bad Name"]
        app_id = "x"
        customer_id = "c"
        customer_secret = "s"
        setup = true
        [storage.a]
        vendor = 11
        bucket = "bucket"
        region = 3
        prefix = ["a-b"]
        write = {access_key = "canary"}
        read = {access_key = "", secret_key = 5}
        [storage.b]
        vendor = 4
        [presets.p]
        app = "mian"
        storage = "c"
        video_width = 1920
        video_height = 1920
        max_recording_hour = 720
        av_file_type = ["mp4"]
        [timing]
        lead_second = 1
        start_repeat_seconds = [200, 200]
    """
    found = problems(load, text, {"PAGEREEL_LIMITS__BURTS": "1", "PAGEREEL_APPS__MAIN__NCS_SECRETS": "canary"})
    assert sorted(map(key_of, found)) == sorted(
        [
            "api.port",
            "api.prot",
            "apis",
            "apps.Bad Name",
            "apps.main.app_id",
            "apps.main.base_urls.0",
            "apps.main.base_urls.1",
            "apps.main.customer_id",
            "apps.main.customer_secret",
            "apps.main.customer_secrett",
            "apps.main.ncs_secrets",
            "apps.main.ncs_secrets",
            "deployment",
            "limits.burts",
            "presets.p.app",
            "presets.p.av_file_type",
            "presets.p.max_recording_hour",
            "presets.p.storage",
            "presets.p.video_height",
            "storage.a.endpoint",
            "storage.a.prefix.0",
            "storage.a.read.access_key",
            "storage.a.read.secret_key",
            "storage.a.region",
            "storage.a.write.secret_key",
            "storage.b.bucket",
            "storage.b.credentials_file",
            "storage.b.read",
            "storage.b.vendor",
            "timing.lead_second",
            "timing.start_repeat_seconds",
        ]
    )
    assert "apps.main.customer_secret: is empty" in found
    assert "apis: is not a setting; did you mean `api`?" in found
    assert "limits.burts (from PAGEREEL_LIMITS__BURTS): is not a setting; did you mean `burst`?" in found
    assert "presets.p.app: is not defined in these settings; did you mean `main`?" in found


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('customer_secret = "canary-secret"', 'customer_secret = "  "', "apps.main.customer_secret"),
        ('customer_secret = "canary-secret"', "", "apps.main.customer_secret"),
        ('customer_secret = "canary-secret"', "customer_secret = 5", "apps.main.customer_secret"),
        ('customer_secret = "canary-secret"', 'customer_secret_file = "/no/such"', "apps.main.customer_secret"),
        ('customer_secret = "canary-secret"', "customer_secret_file = 5", "apps.main.customer_secret"),
        ('customer_secret = "', 'customer_secret_file = "/x"\ncustomer_secret = "', "apps.main.customer_secret"),
        ('customer_id = "cust"', 'customer_id = ""', "apps.main.customer_id"),
        ('ncs_secrets = ["canary-ncs"]', "ncs_secrets = []", "apps.main.ncs_secrets"),
        ('ncs_secrets = ["canary-ncs"]', "", "apps.main.ncs_secrets"),
        ('ncs_secrets = ["canary-ncs"]', 'ncs_secrets = ["a", "b", "c"]', "apps.main.ncs_secrets"),
        ('ncs_secrets = ["canary-ncs"]', 'ncs_secrets = [""]', "apps.main.ncs_secrets.0"),
        ('ncs_secrets = ["', 'ncs_secret_files = ["/x"]\nncs_secrets = ["', "apps.main.ncs_secrets"),
        ('ncs_secrets = ["canary-ncs"]', 'ncs_secret_files = "/x"', "apps.main.ncs_secrets"),
        ("vendor = 1\n", "vendor = 9\n", "storage.s3.vendor"),
        ("region = 7", "region = 26", "storage.s3.region"),
        ("region = 7", "region = -1", "storage.s3.region"),
        ('bucket = "archive"', 'bucket = "a/b"', "storage.s3.bucket"),
        ('bucket = "archive"', 'bucket = "archive"\nendpoint = "s3.example"', "storage.s3.endpoint"),
        ('bucket = "archive"', 'bucket = "archive"\nendpoint = "https://u@s3.example"', "storage.s3.endpoint"),
        ('bucket = "archive"', 'bucket = "archive"\nsse = "none"', "storage.s3.sse"),
        ("vendor = 1\n", 'vendor = 2\nsse = "kms"\n', "storage.s3.sse"),
        ("vendor = 1\n", 'vendor = 3\ntag = "x"\n', "storage.s3.tag"),
        ('prefix = ["rec", "A1"]', f'prefix = ["{"x" * 90}"]', "storage.s3.prefix"),
        ("write = {", "write_ = {", "storage.s3.write_"),
        ('app = "main"', 'app = "other"', "presets.lecture.app"),
        ('storage = "s3"', 'storage = "s4"', "presets.lecture.storage"),
        ("[storage.s3]", '[database]\nurl = "mysql://x"\n[storage.s3]', "database.url"),
        ("[storage.s3]", '[database]\nurl = "postgresql://x"\n[storage.s3]', "database.sealing_keys"),
        ("[storage.s3]", "[database]\nsealing_keys = []\n[storage.s3]", "database.sealing_keys"),
        ("[storage.s3]", '[database]\nsealing_keys = ["x"]\n[storage.s3]', "database.sealing_keys"),
        ("[storage.s3]", f'[database]\nsealing_keys = ["{KEY[:-4]}"]\n[storage.s3]', "database.sealing_keys"),
        ("[storage.s3]", f'[database]\nsealing_keys = ["{KEY[:-1]}*"]\n[storage.s3]', "database.sealing_keys"),
        ("[storage.s3]", f'[signing]\nkeys = ["{KEY}", "x"]\n[storage.s3]', "signing.keys"),
        ("[storage.s3]", '[database]\nurl = "postgresql://u@h:port/d"\n[storage.s3]', "database.url"),
        ("[storage.s3]", '[api]\nhost = "http://127.0.0.1"\n[storage.s3]', "api.host"),
        ("[storage.s3]", '[api]\nhost = "127.0.0.1:8080"\n[storage.s3]', "api.host"),
        ("[storage.s3]", '[callbacks]\nhost = "[::1]"\n[storage.s3]', "callbacks.host"),
        ("[storage.s3]", "[callbacks]\nport = 8080\n[storage.s3]", "callbacks.port"),
        ("[storage.s3]", '[callbacks]\npublic_url = "https://x.example:99999"\n[storage.s3]', "callbacks.public_url"),
        ('app_id = "app1"', 'app_id = "app1"\nbase_urls = ["https://api.agora.io:x"]', "apps.main.base_urls.0"),
        ('access_key = "canary-ra"', 'access_key = "canary ra"', "storage.s3.read.access_key"),
        ('access_key = "canary-wa"', 'access_key = "canary-wä"', "storage.s3.write.access_key"),
        ("[storage.s3]", '[callbacks]\npublic_url = "http://x.example"\n[storage.s3]', "callbacks.public_url"),
        ("[storage.s3]", '[urls]\nallow_http_hosts = ["http://x"]\n[storage.s3]', "urls.allow_http_hosts.0"),
        ("[storage.s3]", "[timing]\nmissing_share = nan\n[storage.s3]", "timing.missing_share"),
        ("[storage.s3]", "[timing]\nlook_seconds = []\n[storage.s3]", "timing.look_seconds"),
        ('deployment = "test1"', 'deployment = "test1"\nbootstrap_token_file = "/no/such"', "bootstrap_token_file"),
        ("[storage.s3]", '[signing]\ntimestamp_url = "ftp://x.example"\n[storage.s3]', "signing.timestamp_url"),
        ("[storage.s3]", '[signing]\ntimestamp_url = "http://u:p@x.example"\n[storage.s3]', "signing.timestamp_url"),
        ("[storage.s3]", '[signing]\ntimestamp_ca = "/no/such"\n[storage.s3]', "signing.timestamp_ca"),
        ("[storage.s3]", '[signing]\ntimestamp_ca = "/dev/null"\n[storage.s3]', "signing.timestamp_ca"),
        ("[storage.s3]", "[signing]\ntimestamp_seconds = 0\n[storage.s3]", "signing.timestamp_seconds"),
        ('bucket = "archive"', 'bucket = "archive"\nlevel = "byte"', "storage.s3.level"),
        ('deployment = "test1"', 'deployment = "test1"\nlog = 5', "log"),
    ],
)
def test_a_wrong_value_names_its_key(load, old, new, key):
    assert old in GOOD
    found = problems(load, GOOD.replace(old, new))
    assert key in [problem.partition(": ")[0] for problem in found]


def test_a_key_that_is_none_is_refused_with_the_command_that_makes_one(load):
    text = GOOD + '[database]\nsealing_keys = ["canary"]\n[signing]\nkeys = ["canary"]\n'
    for problem in problems(load, text):
        assert problem.endswith("should be the base64 of 32 random bytes; `openssl rand -base64 32` makes one")
    made = b64encode(bytes(range(32))).decode()
    text = text.replace('["canary"]', f'["{made}"]')
    assert load(text).database.sealing_keys[0].get() == made


@pytest.mark.parametrize(
    "token",
    [
        *("canary", "prl_bootstrap_", "prl_bootstrap_canary_x", "prl_bootstrap_canary x", "prl_bootstrap_canäry"),
        *("prl_other_canary", "Bearer prl_bootstrap_canary", "prl_bootstrap_canary\nprl_bootstrap_canary"),
    ],
    ids=["word", "empty", "part", "blank", "umlaut", "other", "bearer", "two"],
)
def test_a_bootstrap_token_that_no_call_would_be_let_in_with_is_refused(load, tmp_path, token):
    file = tmp_path / "token"
    file.write_text(token)
    (problem,) = problems(load, f'bootstrap_token_file = "{file}"\n{GOOD}')
    assert problem.startswith("bootstrap_token_file: ")
    assert problem.endswith('`echo "prl_bootstrap_$(openssl rand -hex 24)"` makes one')
    file.write_text("prl_bootstrap_0a1b.c~d-e\n")
    assert load(f'bootstrap_token_file = "{file}"\n{GOOD}').bootstrap_token_file == file


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::", "localhost", "api_1", "fe80::1%eth0"])
def test_a_listener_takes_addresses_and_names(load, host):
    assert load(f'{GOOD}\n[api]\nhost = "{host}"').api.host == host


def test_two_addresses_may_have_one_port(load):
    text = f'{GOOD}\n[api]\nhost = "127.0.0.1"\nport = 8080\n[callbacks]\nhost = "127.0.0.2"\nport = 8080'
    assert load(text).callbacks.port == 8080


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("PAGEREEL_API__PROT", "1", "api.prot"),
        ("PAGEREEL_APPS__MAIN__APP_ID__X", "1", "apps.main.app_id.x"),
        ("PAGEREEL_TIMING__RETRY_SECONDS", "[1", "timing.retry_seconds"),
        ("PAGEREEL_DEPLOYMNT", "t1", "deploymnt"),
        ("PAGEREEL_WORKER__ENABLED", "perhaps", "worker.enabled"),
        ("PAGEREEL_API__", "1", "api."),
    ],
)
def test_a_wrong_variable_is_an_error(load, name, value, key):
    assert key in [key_of(problem) for problem in problems(load, env={name: value})]


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"[a]\n[a]"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    path = tmp_path / "s.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"is not (TOML|UTF-8)"):
        Settings.load(path, {})
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load(tmp_path / "none.toml", {})


def test_an_app_being_set_up_may_lack_its_notification_secret(load):
    assert load(GOOD.replace('ncs_secrets = ["canary-ncs"]', "setup = true")).apps["main"].ncs_secrets == ()
    env = {"PAGEREEL_APPS__MAIN__SETUP": "true"}
    assert load(GOOD.replace('ncs_secrets = ["canary-ncs"]', ""), env)


def test_a_callback_only_process_needs_no_rest_credentials(load):
    text = 'deployment = "t1"\n[apps.main]\napp_id = "a"\nncs_secrets = ["s"]'
    assert load(text, callbacks_only=True).apps["main"].ncs_secrets[0].get() == "s"
    assert problems(load, text) == [
        "apps.main.customer_id: is missing or empty",
        "apps.main.customer_secret: is missing",
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "https://x.example:9/"])
def test_plain_http_to_agora_is_for_loopback_hosts(load, url):
    assert load(env={"PAGEREEL_APPS__MAIN__BASE_URLS": f'["{url}"]'}).apps["main"].base_urls == (url.rstrip("/"),)


def test_temporary_keys_replace_the_write_keys_at_three_vendors(load, tmp_path):
    file = tmp_path / "sts.json"
    file.write_text('{"access_key": "a", "secret_key": "canary", "session_token": "t", "expires_at": 5}')
    text = re.sub(r"write = .*", f'credentials_file = "{file}"', GOOD)
    assert load(text).storage["s3"].write_credentials().expires_at == 5
    assert problems(load, text.replace("vendor = 1", "vendor = 7")) == [
        "storage.s3.credentials_file: works with vendors 1, 2 and 3 only (temporary keys)"
    ]
    both = GOOD.replace("write = ", f'credentials_file = "{file}"\nwrite = ')
    neither = re.sub(r"write = .*", "", GOOD)
    for wrong in (both, neither):
        assert problems(load, wrong) == ["storage.s3.credentials_file: or `write`: exactly one of them is required"]
    file.write_text('{"access_key": "a", "secret_key": "canary"}')
    assert problems(load, text) == ["storage.s3.credentials_file: credentials file has no session_token"]


def test_a_newer_s3_region_needs_its_name(load):
    text = GOOD.replace("region = 7", 'region = 30\nregion_name = "xx-new-1"')
    assert load(text).storage["s3"].region_name == "xx-new-1"


@pytest.mark.parametrize("vendor", [0, 4])
def test_a_vendor_that_agora_no_longer_lists_must_be_meant(load, vendor):
    text = GOOD.replace("vendor = 1\n", f"vendor = {vendor}\n")
    assert problems(load, text) == ["storage.s3.vendor: is no longer in Agora's documents (`legacy_vendor` allows it)"]
    meant = text.replace(f"vendor = {vendor}\n", f"vendor = {vendor}\nlegacy_vendor = true\n")
    assert load(meant).storage["s3"].vendor == vendor


def test_settings_cannot_be_changed(load):
    with pytest.raises(ValueError, match="frozen"):
        load().api.port = 1


def test_timing_is_the_policy_without_what_a_preset_decides():
    policy = {field.name: getattr(Policy(), field.name) for field in dataclasses.fields(Policy)}
    assert policy.keys() - Timing.model_fields.keys() == {"restart", "max_restarts", "level"}
    assert Timing().model_dump() == {name: policy[name] for name in Timing.model_fields}


def test_a_policy_takes_timing_restart_rule_and_the_callers_wishes(load):
    settings = load(env={"PAGEREEL_TIMING__WATCH_SECONDS": "60"})
    assert settings.policy(Preset()) == dataclasses.replace(Policy(), watch_seconds=60)
    preset = Preset(restart="on_failure", max_restarts=3)
    policy = settings.policy(preset, max_missing_seconds=0, start_within_seconds=30)
    assert (policy.restart, policy.max_restarts) == (True, 3)
    assert (policy.max_missing_seconds, policy.start_within_seconds) == (0, 30)
    policy = settings.policy(preset, restart="never", max_restarts=0)
    assert (policy.restart, policy.max_restarts) == (False, 0)
    assert settings.policy(Preset(), restart="on_failure").restart


def test_a_location_is_the_profiles_place_and_the_recordings_own_component(load):
    place = location(load().storage["s3"], "rec_01JABCDEF0123456789ABCDEFG")
    assert place == Location(1, 7, "archive", None, False, ("rec", "A1", "01jabcdef0123456789abcdefg"))


def test_every_setting_is_documented_and_nothing_else():
    text = (ROOT / "docs" / "settings.md").read_text()
    documented = set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))
    assert documented == set(documented_keys())
