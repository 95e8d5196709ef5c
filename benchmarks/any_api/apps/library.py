"""A library by Django REST framework, its tables and views alone: each way that it pages, records with an address in place of an id.

python library.py seed | serve ADDRESS:PORT (run by the environment that `servers/django_rest.py` installs)
"""

from __future__ import annotations

import datetime as dt
import random
import sys
import uuid
from pathlib import Path

import django
from django.conf import settings

HERE = Path(__file__).parent
settings.configure(
    SECRET_KEY="seeded",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="library",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework.authtoken",
        "django_filters",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "db.sqlite3"}},
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
        "PAGE_SIZE": 20,
    },
)
django.setup()

from django.db import connection, models  # noqa: E402 (Django must be set up before)
from django.urls import include, path  # noqa: E402
from rest_framework import decorators, pagination, routers, serializers, viewsets  # noqa: E402


class Marked(models.Model):
    mark = models.CharField(max_length=40)

    class Meta:
        abstract = True
        app_label = "auth"


class Author(Marked):
    name = models.CharField(max_length=80)
    born = models.DateField(null=True)


class Branch(Marked):
    id = models.UUIDField(primary_key=True)
    city = models.CharField(max_length=80)


class Book(Marked):
    title = models.CharField(max_length=80)
    author = models.ForeignKey(Author, models.CASCADE)
    price = models.DecimalField(max_digits=8, decimal_places=2)


class Review(Marked):
    book = models.ForeignKey(Book, models.CASCADE)
    stars = models.IntegerField()
    text = models.TextField(null=True)


class Member(Marked):
    name = models.CharField(max_length=80)
    joined = models.DateTimeField()
    active = models.BooleanField()


class Loan(Marked):
    member = models.ForeignKey(Member, models.CASCADE)
    branch = models.ForeignKey(Branch, models.CASCADE)
    status = models.CharField(max_length=12)
    lent_at = models.DateTimeField()
    fee = models.DecimalField(max_digits=8, decimal_places=2)


MODELS = (Author, Branch, Book, Review, Member, Loan)


class Pages(pagination.PageNumberPagination):
    page_size, page_size_query_param, max_page_size = 20, "page_size", 50


class Offset(pagination.LimitOffsetPagination):
    default_limit, max_limit = 25, 100


class Cursor(pagination.CursorPagination):
    page_size, ordering = 30, "-lent_at"


def serializer(model: type, parent: type = serializers.ModelSerializer, **extra: object) -> type:
    meta = type("Meta", (), {"model": model, "fields": "__all__"})
    return type(f"{model.__name__}Serializer", (parent,), {"Meta": meta, **extra})


class BookSerializer(serializers.HyperlinkedModelSerializer):
    reviews = serializers.HyperlinkedIdentityField(view_name="book-reviews")

    class Meta:
        model = Book
        fields = "__all__"


class Authors(viewsets.ReadOnlyModelViewSet):
    queryset, pagination_class = Author.objects.order_by("id"), Pages
    serializer_class = serializer(Author, serializers.HyperlinkedModelSerializer)


class Branches(viewsets.ReadOnlyModelViewSet):
    queryset, serializer_class, pagination_class = Branch.objects.order_by("city"), serializer(Branch), None


class Books(viewsets.ReadOnlyModelViewSet):
    queryset, serializer_class, pagination_class = Book.objects.order_by("id"), BookSerializer, Offset

    @decorators.action(detail=True)
    def reviews(self, request, pk=None):
        rows = self.paginate_queryset(Review.objects.filter(book_id=pk).order_by("id"))
        return self.get_paginated_response(serializer(Review)(rows, many=True).data)


class Members(viewsets.ReadOnlyModelViewSet):
    queryset, serializer_class = Member.objects.filter(active=True).order_by("id"), serializer(Member)


class Loans(viewsets.ReadOnlyModelViewSet):
    queryset, serializer_class, pagination_class = Loan.objects.all(), serializer(Loan), Cursor
    filterset_fields = ("status", "member")


router = routers.DefaultRouter()
for name, view in (("authors", Authors), ("branches", Branches), ("books", Books), ("members", Members), ("loans", Loans)):
    router.register(name, view)
urlpatterns = [path("api/v1/", include(router.urls))]


def seed() -> None:
    """Rows in each table; a sixth of the members are inactive, which the API hides."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from rest_framework.authtoken.models import Token

    (HERE / "db.sqlite3").unlink(missing_ok=True)
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    chance = random.Random(7)  # noqa: S311 (seeded data, no secret)

    def fill(model: type, count: int, **columns) -> list:
        kind = model.__name__.lower()
        rows = [
            model(mark=f"{kind}-{chance.getrandbits(48):012x}", **{key: make(n) for key, make in columns.items()})
            for n in range(count)
        ]
        model.objects.bulk_create(rows)
        return list(model.objects.order_by("pk"))

    names = ("Zoë Ångström", "李小龍", "Ана Јовић", "O'Neil", "x; DROP", "  spaced ", "emoji 📚", "Łukasz")
    day, hour = dt.date(1900, 1, 1), dt.datetime(2023, 1, 1, 8, tzinfo=dt.UTC)
    authors = fill(
        Author, 130, name=lambda n: f"{names[n % 8]} {n}", born=lambda n: None if n % 9 == 0 else day + dt.timedelta(n * 99)
    )
    branches = fill(Branch, 9, id=lambda n: uuid.UUID(int=chance.getrandbits(128)), city=lambda n: f"City {n}")
    books = fill(
        Book, 310, title=lambda n: f"Book {n} – “x”", author=lambda n: authors[n * 7 % 130], price=lambda n: f"{5 + n * 0.37:.2f}"
    )
    fill(
        Review,
        420,
        book=lambda n: books[n * 11 % 150],
        stars=lambda n: 1 + n % 5,
        text=lambda n: None if n % 4 == 0 else f'line\nbreak "{n}"',
    )
    members = fill(
        Member, 96, name=lambda n: names[n % 8], joined=lambda n: hour + dt.timedelta(n * 3), active=lambda n: n % 6 != 0
    )
    fill(
        Loan,
        500,
        member=lambda n: members[n * 5 % 96],
        branch=lambda n: branches[n % 9],
        status=lambda n: ("open", "returned", "lost")[n % 3],
        lent_at=lambda n: hour + dt.timedelta(hours=n * 7),
        fee=lambda n: f"{n % 13 * 0.25:.2f}",
    )
    Token.objects.create(user=User.objects.create_user("reader"), key=sys.argv[2])


if __name__ == "__main__":
    sys.modules["library"] = sys.modules["__main__"]
    if sys.argv[1] == "seed":
        seed()
    else:
        from django.core.management import execute_from_command_line

        execute_from_command_line(["library", "runserver", sys.argv[2], "--noreload"])
