"""What can be configured, declared once for flags, the environment (PALATE_...) and a TOML file."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from palate.errors import SettingsError

__all__ = ["Settings", "is_loopback"]

_RATE = 20.0
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PAGE = Path(__file__).with_name("page")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Settings(BaseSettings):
    """The settings of a service. Flags overrule the environment, and the environment overrules the file."""

    model_config = SettingsConfigDict(env_prefix="PALATE_", extra="forbid", frozen=True, protected_namespaces=())

    model: Path = Field(description="The model file.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, le=256, description="Number of processes that answer.")
    store: str = Field("", description="Where ratings are kept: a database URL. [SQLite beside the model]")
    page: Path = Field(_PAGE, description="The folder with the page.")
    protect: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether named users need an API key; auto: beyond loopback, or once there are keys.",
    )
    secret: SecretStr = Field(SecretStr(""), description="Signs the cookies of visitors. [random, kept in the store]")
    hosts: list[str] = Field([], description="Host names that requests may be addressed to. [any beyond loopback]")
    origins: list[str] = Field([], description="Web origins that may call the API from their pages (CORS).")
    proxies: str = Field("", description="Addresses of proxies whose X-Forwarded-For is trusted.")
    rate: float | None = Field(
        None,
        ge=0,
        description="Requests a second of one address without a key; 0: no limit. [20; no limit on loopback]",
    )
    burst: int = Field(60, ge=1, description="Requests that one address may send at once.")
    largest_body: int = Field(1 << 20, ge=1024, description="Largest size of a request body, in bytes.")
    timeout: float = Field(30.0, gt=0, description="Seconds that a request may take.")
    threads: int = Field(4, ge=1, le=256, description="Threads of each process that compute answers.")
    busy: float = Field(2.0, ge=0, description="Seconds to wait for a locked database.")
    degrade: bool = Field(True, description="Answer from the model alone while the store does not answer.")
    visitor_days: int = Field(365, ge=1, description="Days without a new rating after which a visitor is forgotten.")
    retrain_every: str = Field("", description="Fit again after a number of ratings (500) or a time (6h, 30m).")
    title: str = Field("", max_length=60, description="The name of the page. [that of the model file, else palate]")
    noun: str = Field(
        "",
        max_length=60,
        description="What the items are, one/many: joke/jokes. [that of the model file, else item/items]",
    )
    intro: str = Field("", max_length=600, description="What the page says first. [that of the model file]")
    log: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe messages that are logged; info includes requests."
    )
    runtime: str = Field("", description="Folder for files that workers share while they run. [a temporary one]")

    @field_validator("noun")
    @classmethod
    def _check_noun(cls, noun: str) -> str:
        parts = noun.split("/")
        if noun and (len(parts) != 2 or not all(part.strip() for part in parts)):
            raise ValueError(f"a noun is one and many, such as joke/jokes, not {noun!r}")
        return noun

    @field_validator("origins")
    @classmethod
    def _check_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if origin == "*":
                raise ValueError(
                    "'*' would let every page on the web rate and read as its visitor: name each origin that may"
                )
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"an origin is a scheme and a host, such as https://shop.example, not {origin[:60]!r}")
        return origins

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, then the environment, then the file."""
        file = init_settings.init_kwargs.pop("config", None) if hasattr(init_settings, "init_kwargs") else None
        sources = [init_settings, env_settings]
        return (*sources, TomlConfigSettingsSource(settings_cls, file)) if file else tuple(sources)

    @classmethod
    def resolve(cls, config: Path | None = None, **flags: Any) -> Settings:
        """Read the settings from all sources; a flag that is None was not used.

        Raises
        ------
        SettingsError
            If a setting is missing, unknown or impossible; the message names it.
        """
        used: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
        if config is not None and not config.is_file():
            raise SettingsError(f"settings cannot be read: there is no file {config}")
        extra: dict[str, Any] = {"config": config} if config else {}
        try:
            return cls(**used, **extra)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            if first["type"] == "missing":
                raise SettingsError(
                    f"no {name} is named: give it as an argument, as PALATE_{name.upper()}, or in the file of settings"
                ) from error
            raise SettingsError(f"setting {name}: {first['msg'].removeprefix('Value error, ')}") from error
        except (OSError, ValueError) as error:
            raise SettingsError(f"settings from {config} cannot be read: {error}") from error

    @property
    def store_url(self) -> str:
        """The URL of the store; by default an SQLite file beside the model."""
        path = self.model.resolve()
        return self.store or f"sqlite:///{path.with_name(path.name + '.events.sqlite')}"

    @property
    def is_exposed(self) -> bool:
        """Whether other machines can reach the service, by its address or through a proxy."""
        return not is_loopback(self.host) or bool(self.hosts or self.proxies)

    @property
    def allowed_rate(self) -> float:
        """Requests a second that one address may send without a key; 0: no limit."""
        return self.rate if self.rate is not None else _RATE * self.is_exposed

    def environment(self) -> dict[str, str]:
        """Return the settings as environment variables, for workers to read."""
        import json

        variables = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            value = value.get_secret_value() if isinstance(value, SecretStr) else value
            if value is None:
                continue
            variables[f"PALATE_{name.upper()}"] = json.dumps(value) if isinstance(value, list) else str(value)
        return variables
