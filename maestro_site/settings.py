"""Django's settings, derived from the typed tree in ``maestro_site.conf``."""

import secrets

from csp.constants import NONE, SELF

from maestro_site import conf, datadir, environment

MAESTRO = conf.load()
DATA_DIR = datadir.ensure(MAESTRO.data_dir.expanduser().absolute())
MAESTRO = MAESTRO.model_copy(update={"data_dir": DATA_DIR})
BASE_DIR = environment.ROOT

DEBUG = MAESTRO.debug
SECRET_KEY = (
    MAESTRO.secret_key.get_secret_value()
    if MAESTRO.secret_key
    else datadir.read_or_create(DATA_DIR / "secret.key", secrets.token_urlsafe(50))
)
ALLOWED_HOSTS = list(MAESTRO.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(MAESTRO.trusted_origins)
EMBEDDED_DATABASE = MAESTRO.database_url is None
REDIS_URL = conf.redis_url(MAESTRO)

INSTALLED_APPS = [
    "maestro_site",
    "maestro_site.accounts",
    "gateway_app",
    "pipelines_app",
    "context_app",
    "sessions_app",
    "providers_app",
    "maestro_site.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "django_htmx",
    "csp",
    "axes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "maestro_site.accounts.browsers.BrowserSessionMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "maestro_site.urls"
ASGI_APPLICATION = "maestro_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": conf.database(MAESTRO)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
_redis = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
CHANNEL_LAYERS = {"default": _redis if REDIS_URL else {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "maestro_site.accounts.client_address.of"
AXES_LOCKOUT_CALLABLE = "maestro_site.accounts.views.locked_out"
AXES_VERBOSE = False
# It would store the address of every sign-in, the welcome link's token included.
AXES_DISABLE_ACCESS_LOG = True
SESSION_COOKIE_AGE = 30 * 24 * 3600
if MAESTRO.behind_tls_proxy:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

# Django's defaults stand for the rest: HttpOnly and SameSite=Lax cookies, nosniff, same-origin referrers, no frames.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        **{name: [NONE] for name in ("default-src", "base-uri", "frame-ancestors")},
        **{name: [SELF] for name in ("script-src", "style-src", "font-src", "connect-src", "form-action")},
        "img-src": [SELF, "data:"],
    }
}

TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
DEFAULT_EXCEPTION_REPORTER = "maestro_site.debug_page.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "maestro_site.debug_page.Filter"
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from the source folders, so that nothing has to be collected before the first start.
WHITENOISE_USE_FINDERS = True
# Asked for again each time (and answered 304): after an upgrade no page mixes old and new scripts.
WHITENOISE_MAX_AGE = 0
DEFAULT_FROM_EMAIL = MAESTRO.from_email
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if MAESTRO.email.host else 'dummy'}.EmailBackend"
EMAIL_HOST = MAESTRO.email.host
EMAIL_PORT = MAESTRO.email.port
EMAIL_HOST_USER = MAESTRO.email.user
EMAIL_HOST_PASSWORD = MAESTRO.email.password.get_secret_value()
EMAIL_USE_TLS = MAESTRO.email.tls == "starttls"
EMAIL_USE_SSL = MAESTRO.email.tls == "tls"
EMAIL_TIMEOUT = MAESTRO.email.timeout_s
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
# A selection of chunks comes as one field each; more than context_app.views.panel.MAX_BULK, which says so in words.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "maestro_site.logs.formatter", "json": MAESTRO.log_json}},
    "filters": {"outages": {"()": "maestro_site.logs.OutageFilter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["outages"]}},
    "root": {"handlers": ["stderr"], "level": MAESTRO.log_level},
    "loggers": {
        # Django's own handlers would write lines that do not pass the formatter above: those of `runserver` name the
        # whole address of a request, with the code of a sign-in.
        "django": {"handlers": [], "level": "INFO"},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # Kept quiet at every MAESTRO_LOG_LEVEL: an engine may log addresses, and the headers of answers, in which some
        # servers repeat the key.
        "uvicorn": {"level": "WARNING", "propagate": True},
        **{name: {"level": "WARNING"} for name in ("httpx", "aiohttp", "uvicorn.access", "celery", "kombu")},
        **{name: {"level": "WARNING"} for name in ("asyncio", "axes", "daphne")},
    },
}
