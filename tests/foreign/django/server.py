"""An identity provider of Django and django-oauth-toolkit: Django's own users, sessions and log-in
form, the toolkit's pages for consent and log-out.

python server.py PORT

The issuer is http://127.0.0.1:PORT/o. POST /applications registers a client and its users. The
database is in memory, and the key for signatures is made at each start.
"""

import json
import sys
import threading
from pathlib import Path

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management.utils import get_random_secret_key

PORT = int(sys.argv[1])

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    LOGIN_URL="/accounts/login/",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    OAUTH2_PROVIDER={
        # Short, so that a test can await a refresh.
        "ACCESS_TOKEN_EXPIRE_SECONDS": 4,
        "OAUTH2_VALIDATOR_CLASS": "__main__.Validator",
        "OIDC_ENABLED": True,
        # Or log-out in one browser ends the ID tokens of the user's other sessions: their log-out
        # would end on an error page.
        "OIDC_RP_INITIATED_LOGOUT_DELETE_TOKENS": False,
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OIDC_RP_INITIATED_REGISTRATION_ENABLED": True,
        "OIDC_RP_INITIATED_REGISTRATION_URL": "/accounts/register/",
        "OIDC_RSA_PRIVATE_KEY": KEY.decode(),
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "SCOPES": {
            "openid": "Know who you are",
            "profile": "Your name and groups",
            "email": "Your email address",
            "introspection": "Ask about access tokens",
        },
    },
    # The default takes a second of CPU time for each password and each client secret.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF="__main__",
    SECRET_KEY=get_random_secret_key(),
    STATIC_URL="static/",
    TEMPLATES=[
        {
            "APP_DIRS": True,
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [Path(__file__).parent / "templates"],
        }
    ],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.forms import BaseUserCreationForm  # noqa: E402
from django.contrib.auth.models import Group, User  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connections  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from django.views.generic import CreateView  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402
from oauth2_provider.oauth2_validators import OAuth2Validator  # noqa: E402


class Validator(OAuth2Validator):
    """Adds claims: by default the toolkit sends `sub` only."""

    oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {"groups": "profile"}

    def get_additional_claims(self):
        return {
            "name": lambda request: request.user.get_full_name(),
            "email": lambda request: request.user.email,
            "groups": lambda request: [group.name for group in request.user.groups.all()],
        }


class Register(CreateView):
    form_class = type(
        "RegistrationForm",
        (BaseUserCreationForm,),
        {"Meta": type("Meta", (), {"model": User, "fields": ["username", "email"]})},
    )
    template_name = "registration/register.html"

    def get_success_url(self):
        return self.request.GET["next"]


# Log-out ends the tokens of a user for all clients: each client has its own users.
@csrf_exempt
def register_application(request):
    application = Application.objects.create(
        algorithm=Application.RS256_ALGORITHM,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        client_type=Application.CLIENT_CONFIDENTIAL,
        **json.loads(request.body),
    )
    for name, last_name in [("Uma", "User"), ("Ada", "Admin")]:
        role = last_name.lower()
        user = User.objects.create_user(
            f"{role}-{application.client_id}",
            f"{role}@example.com",
            "portico",
            first_name=name,
            last_name=last_name,
        )
        if role == "admin":
            user.groups.add(Group.objects.get_or_create(name="read:admin-messages")[0])
    return HttpResponse(status=201)


urlpatterns = [
    path("accounts/login/", LoginView.as_view()),
    path("accounts/register/", Register.as_view()),
    path("applications", register_application),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]


def main():
    call_command("migrate", verbosity=0)
    application = get_wsgi_application()
    lock = threading.Lock()

    # All threads share the connection to the database in memory, and so its transactions.
    def one_at_a_time(environ, start_response):
        with lock:
            return application(environ, start_response)

    database = connections["default"]
    database.inc_thread_sharing()
    server = ThreadedWSGIServer(
        ("127.0.0.1", PORT), WSGIRequestHandler, connections_override={"default": database}
    )
    server.set_app(one_at_a_time)
    server.serve_forever()


if __name__ == "__main__":
    main()
