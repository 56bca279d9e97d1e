"""hub.yaml, the HUB_ variables that stand over it, and the site files that it names: everything or nothing.

The environment is handed in and read here only. A variable wins over the file; a password comes from a variable or from a
file of its own, never from hub.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from hub.settings.clocks import NO_CLOCKS, ClockTable
from hub.settings.dead_man import read_dead_man
from hub.settings.hooks import read_hooks
from hub.settings.keys import read_keys
from hub.settings.limits import LimitTypes
from hub.settings.mistakes import ConfigurationErrors, Mistake, listed, nearest
from hub.settings.model import HttpSettings, MqttSettings, Secret, Settings, SiteConfig
from hub.settings.notifiers import NotifierTypes
from hub.settings.publishing import read_publishing
from hub.settings.section import Section
from hub.settings.site_file import NO_NOTIFIERS, Profiles, read_site
from hub.settings.source import Located, read_yaml
from hub.settings.urls import DATABASE_ALLOWED, MQTT_ALLOWED, UrlError, database_url, mqtt_url
from hub.settings.wires import Wires

DEFAULT_DATABASE: Final = "sqlite:///var/hub.db"
PASSWORD_VARIABLE: Final = "HUB_MQTT__PASSWORD"  # noqa: S105 - a variable's name
HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
HOST_ALLOWED: Final = "an address or host name; 0.0.0.0 for every address of this machine"
PUBLIC_URL: Final = re.compile(r"https?://[A-Za-z0-9.-]{1,100}(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+){0,5}/?")
PUBLIC_URL_ALLOWED: Final = "where people reach the hub, such as https://hub.example; it stands in links in messages"
CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
CLIENT_ID_ALLOWED: Final = "letters, digits, - and _, at most 40: it becomes part of a topic"
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_TEXT, _NUMBER, _FLAG, _LIST = "text", "number", "flag", "list"
VARIABLES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "HUB_DATABASE": (("database",), _TEXT),
    "HUB_HTTP__HOST": (("http", "host"), _TEXT),
    "HUB_HTTP__PORT": (("http", "port"), _NUMBER),
    "HUB_HTTP__PUBLIC_URL": (("http", "public_url"), _TEXT),
    "HUB_MQTT__URL": (("mqtt", "url"), _TEXT),
    "HUB_MQTT__EMBEDDED": (("mqtt", "embedded"), _FLAG),
    "HUB_MQTT__PORT": (("mqtt", "port"), _NUMBER),
    "HUB_MQTT__CLIENT_ID": (("mqtt", "client_id"), _TEXT),
    "HUB_MQTT__USERNAME": (("mqtt", "username"), _TEXT),
    "HUB_MQTT__PASSWORD_ENV": (("mqtt", "password_env"), _TEXT),
    "HUB_MQTT__PASSWORD_FILE": (("mqtt", "password_file"), _TEXT),
    "HUB_MQTT__CA": (("mqtt", "ca"), _TEXT),
    "HUB_MQTT__CERT": (("mqtt", "cert"), _TEXT),
    "HUB_MQTT__KEY": (("mqtt", "key"), _TEXT),
    "HUB_MQTT__OWN_SITES_ONLY": (("mqtt", "own_sites_only"), _FLAG),
    "HUB_SITES": (("sites",), _LIST),
}


def load(
    path: Path,
    environ: Mapping[str, str],
    profile_kinds: Profiles,
    rule_limits: LimitTypes,
    notifier_types: NotifierTypes = NO_NOTIFIERS,
    clock_table: ClockTable = NO_CLOCKS,
) -> Settings:
    """The whole configuration. Raises ConfigurationErrors with every mistake that was found; then nothing is loaded.

    `profile_kinds` maps a profile's name to its facts, `rule_limits` a rule's name to its Limits struct, `clock_table` a
    kind's clocks to their facts.
    """
    log: list[Mistake] = []
    path = path.absolute()
    document = read_yaml(path, _shown(path), log)
    if document is None or not isinstance(document.value, dict):
        if document is not None:
            Section(document, "", log)
        raise ConfigurationErrors(log)
    root = Section(with_environment(document, environ, log), "", log)
    database, file = _read_database(root, path.parent)
    http = _read_http(root)
    mqtt = _read_mqtt(root, path.parent, environ)
    read = partial(
        read_site,
        profiles=profile_kinds,
        rules=rule_limits,
        log=log,
        notifier_types=notifier_types,
        environ=environ,
        clock_table=clock_table,
    )
    sites = _read_sites(root, path.parent, read)
    publishing = read_publishing(root, path.parent)
    keys = read_keys(root, path.parent, environ)
    hooks = read_hooks(root, environ, path.parent)
    dead_man = read_dead_man(root, environ, path.parent)
    root.finish()
    if log:
        raise ConfigurationErrors(log)
    data_dir = file.parent if file is not None else path.parent / "var"
    return Settings(
        file=path,
        database=database,
        data_dir=data_dir,
        http=http,
        mqtt=mqtt,
        sites=sites,
        publishing=publishing,
        keys=keys,
        hooks=hooks,
        dead_man=dead_man,
    )


def load_database(path: Path, environ: Mapping[str, str]) -> str:
    """The database's URL alone, for backup and restore. Raises ConfigurationErrors for what stands in its way."""
    log: list[Mistake] = []
    path = path.absolute()
    document = read_yaml(path, _shown(path), log)
    if document is None:
        raise ConfigurationErrors(log)
    root = Section(with_environment(document, environ, []), "", log)
    database, _ = _read_database(root, path.parent)
    if not database or root.broken:
        raise ConfigurationErrors(log)
    return database


def with_environment(document: Located, environ: Mapping[str, str], log: list[Mistake]) -> Located:
    """The document with the HUB_ variables laid over it; unknown variables of our groups are mistakes."""
    for name in sorted(environ):
        if name in VARIABLES:
            keys, kind = VARIABLES[name]
            document = _overlaid(document, keys, _from_variable(name, environ[name], kind))
        elif name.startswith(("HUB_HTTP__", "HUB_MQTT__")) and name != PASSWORD_VARIABLE:
            known = [*VARIABLES, PASSWORD_VARIABLE]
            log.append(Mistake(_variable(name), 0, "", f"unknown variable{nearest(name, known)}", listed(known)))
    if "HUB_MQTT__URL" in environ and "HUB_MQTT__EMBEDDED" not in environ:
        document = _without_embedded(document)
    return document


def _variable(name: str) -> str:
    return f"environment {name}"


def _from_variable(name: str, text: str, kind: str) -> Located:
    where = _variable(name)
    if kind == _LIST:
        patterns = [part.strip() for part in text.split(",") if part.strip()]
        return Located([Located(part, where, 0) for part in patterns], where, 0)
    if kind == _NUMBER and re.fullmatch(r"[0-9]{1,9}", text):
        return Located(int(text), where, 0)
    if kind == _FLAG and text.lower() in ("true", "false", "1", "0"):
        return Located(text.lower() in ("true", "1"), where, 0)
    return Located(text, where, 0)


def _overlaid(at: Located, keys: tuple[str, ...], new: Located) -> Located:
    if not isinstance(at.value, dict):
        return at  # the mistake in the file is reported where it is read
    key, rest = keys[0], keys[1:]
    if rest:
        new = _overlaid(at.value.get(key, Located({}, new.file, 0)), rest, new)
    return Located({**at.value, key: new}, at.file, at.line, at.key_line)


def _without_embedded(document: Located) -> Located:
    """HUB_MQTT__URL points a hub elsewhere whose file says `embedded: true`."""
    if not isinstance(document.value, dict):
        return document
    mqtt = document.value["mqtt"]
    if not isinstance(mqtt.value, dict):
        return document
    rest = {key: at for key, at in mqtt.value.items() if key != "embedded"}
    return _overlaid(document, ("mqtt",), Located(rest, mqtt.file, mqtt.line, mqtt.key_line))


def _shown(path: Path) -> str:
    """As short as it stays clear: relative to where the command was given."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _read_database(root: Section, base: Path) -> tuple[str, Path | None]:
    text = root.text("database", default=DEFAULT_DATABASE, allowed=DATABASE_ALLOWED)
    if not text:
        return "", None
    from_environment = root.place("database").file.startswith("environment ")
    try:
        return database_url(text, base, secret_allowed=from_environment)
    except UrlError as error:
        root.wrong("database", error.problem, error.allowed)
        return "", None


def _read_http(root: Section) -> HttpSettings:
    section = root.section("http")
    if section is None:
        return HttpSettings()
    host = section.text("host", default="127.0.0.1", pattern=HOST, allowed=HOST_ALLOWED)
    port = section.integer("port", 0, 65_535, default=8000)
    public_url = section.text("public_url", pattern=PUBLIC_URL, allowed=PUBLIC_URL_ALLOWED).rstrip("/")
    section.finish()
    return HttpSettings(host=host, port=port if port is not None else 8000, public_url=public_url)


def _read_mqtt(root: Section, base: Path, environ: Mapping[str, str]) -> MqttSettings:
    section = root.section("mqtt", required=True)
    if section is None:
        return MqttSettings()
    embedded = section.flag("embedded")
    url = _read_mqtt_url(section, embedded)
    files = {key: _read_file(section, key, base) for key in ("ca", "cert", "key")}
    _check_tls(section, url, embedded)
    if not embedded and "port" in section.fields:
        section.wrong("port", "is for the embedded broker only", "the port in `url`, or `embedded: true`")
    settings = MqttSettings(
        embedded=embedded,
        port=section.integer("port", 0, 65_535, default=0) or 0,
        url=url,
        client_id=section.text("client_id", default="hub-1", pattern=CLIENT_ID, allowed=CLIENT_ID_ALLOWED),
        username=section.text("username"),
        password=_read_password(section, base, environ),
        own_sites_only=section.flag("own_sites_only"),
        **files,
    )
    if settings.password is not None and not settings.username and "username" not in section.fields:
        section.wrong("username", "is missing, though there is a password", "the broker's user")
    if "password" in section.fields:
        section.wrong(
            "password", "a password in the file", "`password_env` (the name of a variable) or `password_file`"
        )
        del section.fields["password"]
    section.finish()
    return settings


def _read_mqtt_url(section: Section, embedded: bool) -> str:
    if embedded and "url" in section.fields:
        section.wrong("url", "the embedded broker has its own address", "either `url` or `embedded: true`")
    text = section.text("url", required=not embedded, allowed=f"{MQTT_ALLOWED}, or `embedded: true`")
    if not text:
        return ""
    try:
        return mqtt_url(text)
    except UrlError as error:
        section.wrong("url", error.problem, error.allowed)
        return ""


def _check_tls(section: Section, url: str, embedded: bool) -> None:
    for key in ("ca", "cert", "key"):
        if key in section.fields and (embedded or url.startswith("mqtt:")):
            section.wrong(key, "is for mqtts:// only", "leave it out, or an mqtts:// address")
    for key, other in (("cert", "key"), ("key", "cert")):
        if key in section.fields and other not in section.fields:
            section.wrong(key, f"stands alone, `{other}` is missing", "both or none")


def _read_file(section: Section, key: str, base: Path) -> Path | None:
    text = section.text(key)
    if not text:
        return None
    path = base / text
    if not path.is_file():
        section.wrong(key, f"there is no file {path}", "a path relative to hub.yaml, or an absolute one")
        return None
    return path


def _read_password(section: Section, base: Path, environ: Mapping[str, str]) -> Secret | None:
    """From the named variable, else the named file, else HUB_MQTT__PASSWORD."""
    name = section.text("password_env", pattern=VARIABLE, allowed="the name of an environment variable")
    file = _read_file(section, "password_file", base)
    if "password_env" in section.fields and "password_file" in section.fields:
        section.wrong("password_file", "stands beside `password_env`", "one of the two")
    if name:
        if not environ.get(name):
            section.wrong("password_env", f"the variable {name} is not set", "a variable that holds the password")
        return Secret(environ.get(name, ""))
    if file is not None:
        try:
            return Secret(file.read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            section.wrong("password_file", f"cannot be read: {error}", "a text file that holds the password")
            return None
    default = environ.get(PASSWORD_VARIABLE)
    return Secret(default) if default else None


def _read_sites(root: Section, base: Path, read: Callable[[Located, Path], SiteConfig]) -> tuple[SiteConfig, ...]:
    patterns = root.items("sites", "a list of files or patterns, such as sites/*.yaml", required=True)
    if "sites" in root.fields and not patterns and isinstance(root.fields["sites"].value, list):
        root.wrong("sites", "names no file", "at least one, such as sites/*.yaml")
    sites: list[SiteConfig] = []
    lines: dict[str, str] = {}
    wires = Wires(root.log)
    for file in _site_files(patterns, root, base):
        document = read_yaml(file, _shown(file), root.log)
        if document is None:
            continue
        site = read(document, file)
        sites.append(site)
        if site.id and site.id in lines:
            at = _site_id(document)
            problem = f"site {site.id!r} stands in {lines[site.id]} too"
            root.log.append(Mistake(_shown(file), at.line, "site.id", problem, "each site in one file"))
        else:
            wires.take(document, site, _shown(file))
        lines.setdefault(site.id, _shown(file))
    return tuple(sites)


def _site_id(document: Located) -> Located:
    at = document
    for key in ("site", "id"):
        assert isinstance(at.value, dict)
        at = at.value[key]
    return at


def _site_files(patterns: list[Located], root: Section, base: Path) -> list[Path]:
    """The files of all patterns, each once, in the patterns' order and by name within one."""
    found: dict[Path, None] = {}
    for i, at in enumerate(patterns):
        field = f"sites[{i}]"
        if not isinstance(at.value, str) or not at.value:
            root.log.append(Mistake(at.file, at.line, field, "no file name", "a file or pattern"))
            continue
        try:
            files = sorted(file for file in _glob(base, at.value) if file.is_file())
        except (ValueError, NotImplementedError, OSError) as error:
            root.log.append(Mistake(at.file, at.line, field, f"no pattern: {error}", "such as sites/*.yaml"))
            continue
        if not files:
            problem = f"no file matches {str(base / at.value)!r}"
            root.log.append(Mistake(at.file, at.line, field, problem, "a path relative to hub.yaml"))
        found.update(dict.fromkeys(files))
    return list(found)


def _glob(base: Path, pattern: str) -> list[Path]:
    if Path(pattern).is_absolute():
        base, pattern = Path(Path(pattern).anchor), str(Path(pattern).relative_to(Path(pattern).anchor))
    return list(base.glob(pattern))


def public(settings: Settings) -> Settings:
    """The settings without what nobody may read in a log."""
    url = re.sub(r"(?<=://)([^@/:]*):[^@/]*@", r"\1:***@", settings.database)
    return msgspec.structs.replace(settings, database=url)
