"""The settings: one TOML file overridden by `PAGEREEL_` variables. The structure is read once; a secret given by file
is read again when the file changes. The package reads nothing else, and uses no client, database or Agora call."""

from service.settings.database import Database
from service.settings.load import Settings, SettingsError
from service.settings.model import (
    Api,
    App,
    Callbacks,
    Endpoint,
    Keys,
    Limits,
    Log,
    Retention,
    StorageProfile,
    Urls,
    Worker,
    location,
    secrets_of,
)
from service.settings.presets import ParameterRules, Preset, Timing
from service.settings.secret import Credentials, CredentialsFile, Secret
from service.settings.signing import Signing
from service.settings.spending import OwnerLimits, Prices
from service.settings.variables import documented_keys

__all__ = [
    "Api",
    "App",
    "Callbacks",
    "Credentials",
    "CredentialsFile",
    "Database",
    "Endpoint",
    "Keys",
    "Limits",
    "Log",
    "OwnerLimits",
    "ParameterRules",
    "Preset",
    "Prices",
    "Retention",
    "Secret",
    "Settings",
    "SettingsError",
    "Signing",
    "StorageProfile",
    "Timing",
    "Urls",
    "Worker",
    "documented_keys",
    "location",
    "secrets_of",
]
