"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from maestro_site import error_reference, health, home, local_servers, settings_page
from maestro_site.accounts import views as accounts
from maestro_site.monitoring import endpoints
from sessions_app.views import oauth

admin.autodiscover()
handler500 = "maestro_site.health.server_error"
urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("health", endpoints.health_view, name="health"),
    path("metrics", endpoints.metrics_view, name="metrics"),
    path("login/", accounts.LoginView.as_view(), name="login"),
    path("logout/", accounts.sign_out, name="logout"),
    path("welcome/<str:token>", accounts.welcome_page, name="welcome"),
    path("account/", accounts.account, name="account"),
    path("account/browsers/<int:pk>/sign-out/", accounts.sign_out_browser, name="account-sign-out-browser"),
    path("settings/", settings_page.settings_page, name="settings"),
    path("settings/addresses/allow/", settings_page.allow_address, name="settings-allow-address"),
    path("settings/addresses/remove/", settings_page.remove_address, name="settings-remove-address"),
    path("settings/aliases/", include("sessions_app.alias_urls")),
    path("settings/circuits/close/", settings_page.close_circuit, name="settings-close-circuit"),
    path("local-servers/", local_servers.look, name="local-servers"),
    path("local-servers/connect/", local_servers.connect_one, name="local-servers-connect"),
    path("", home.home, name="home"),
    path("home/providers/", home.providers_card, name="home-providers"),
    path("try-demo/", home.try_demo, name="try-demo"),
    path("help/errors/", error_reference.errors_page, name="error-help"),
    path("sessions/", include("sessions_app.urls")),
    path("oauth/callback/", oauth.callback, name="oauth-callback"),
    # A person who registers the address at a provider may leave the last stroke out.
    path("oauth/callback", oauth.callback),
    path("chats/", include("context_app.urls")),
    path("admin/", admin.site.urls),
]
