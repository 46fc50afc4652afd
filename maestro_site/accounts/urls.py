"""Addresses of signing in and out."""

from django.urls import path

from maestro_site.accounts import views

urlpatterns = [
    path("login/", views.LoginView.as_view(), name="login"),
    path("logout/", views.sign_out, name="logout"),
    path("welcome/<str:token>", views.welcome_page, name="welcome"),
    path("account/", views.account, name="account"),
    path("account/browsers/<int:pk>/sign-out/", views.sign_out_browser, name="account-sign-out-browser"),
]
