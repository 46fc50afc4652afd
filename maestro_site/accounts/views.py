"""Signing in and out, the welcome link, and the account page."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from maestro_site.accounts import browsers, welcome
from providers_app.dispatch.people import limits_of
from sessions_app import selectors


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class LoginView(auth_views.LoginView):
    """Name and password, throttled by django-axes."""

    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether the person just signed out, which the page confirms."""
        return super().get_context_data(**kwargs) | {"signed_out": "signed-out" in self.request.GET}


def locked_out(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
    """Answer 429 after too many wrong passwords."""
    response = render(request, "accounts/login.html", {"locked_out": True}, status=429)
    response["Retry-After"] = "900"
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this browser's session."""
    browsers.forget(request.session.session_key)
    logout(request)
    return redirect(f"{reverse('login')}?signed-out=1")


@never_cache
@sensitive_variables("token")
def welcome_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show a page with one button, which alone spends the link: mail scanners and previews follow links."""
    try:
        if request.method == "POST":
            user = welcome.spend(token)
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect("home")
        user = welcome.check(token)
    except welcome.WelcomeError as error:
        return render(request, "accounts/welcome.html", {"valid": False, "reason": str(error)}, status=410)
    return render(request, "accounts/welcome.html", {"valid": True, "token": token, "username": user.get_username()})


@login_required
@sensitive_post_parameters()
def account(request: HttpRequest) -> HttpResponse:
    """Show and change the password, the theme and the signed-in browsers, and show the limits a minute."""
    user = cast(User, request.user)
    form = _password_form(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, form.user)
        browsers.forget_all(request)
        messages.success(request, "Password saved. Other browsers were signed out.")
        return redirect("account")
    listed = browsers.listing(user, request.session.session_key)
    context = {"password_form": form, "has_password": user.has_usable_password(), "browsers": listed}
    context["limits"] = _limits(user)
    return render(request, "accounts/account.html", context, status=422 if request.method == "POST" else 200)


@login_required
@require_POST
def sign_out_browser(request: HttpRequest, pk: int) -> HttpResponse:
    """End another browser's session."""
    if browsers.sign_out(cast(User, request.user), pk):
        messages.success(request, "That browser was signed out.")
    return redirect("account")


def _limits(user: User) -> list[dict[str, Any]]:
    """Return the limits a minute that hold for this person, each with whether it is their own; those of none not."""
    own = selectors.own_limits(user.pk)
    rows = zip(("Requests", "Tokens"), limits_of(own), (own.requests_per_minute, own.tokens_per_minute), strict=True)
    return [{"what": what, "most": most, "own": mine is not None} for what, most, mine in rows if most is not None]


def _password_form(user: User, data: dict[str, str] | None) -> SetPasswordForm:
    """Return the form for a new password, which asks for the old one where there is one."""
    form = (PasswordChangeForm if user.has_usable_password() else SetPasswordForm)(user, data)
    # People open the account page for other things too, so the cursor must not jump to the password.
    for field in form.fields.values():
        field.widget.attrs.pop("autofocus", None)
    return form
