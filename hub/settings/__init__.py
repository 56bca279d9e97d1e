"""hub.yaml, HUB_ variables and site files, read once into frozen values; every mistake is reported with file and line."""

from hub.settings.hub_file import load, load_database, public
from hub.settings.mistakes import ConfigurationErrors, Mistake
from hub.settings.model import (
    BuildingConfig,
    BusConfig,
    DeviceConfig,
    DoorConfig,
    HttpSettings,
    MqttSettings,
    NoticePolicy,
    NotifierConfig,
    PublishingSettings,
    QuietHours,
    RegisteredText,
    Secret,
    Settings,
    SiteConfig,
    SitePublishing,
    WebhookConfig,
)
from hub.settings.notifiers import NotifierTypes

__all__ = [
    "BuildingConfig",
    "BusConfig",
    "ConfigurationErrors",
    "DeviceConfig",
    "DoorConfig",
    "HttpSettings",
    "Mistake",
    "MqttSettings",
    "NoticePolicy",
    "NotifierConfig",
    "NotifierTypes",
    "PublishingSettings",
    "QuietHours",
    "RegisteredText",
    "Secret",
    "Settings",
    "SiteConfig",
    "SitePublishing",
    "WebhookConfig",
    "load",
    "load_database",
    "public",
]
