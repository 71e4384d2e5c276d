"""Migrates a database with Django, looks at what it has made, and uses it. Prints what it sees as JSON."""
import io
import json
import os
import sys
from urllib.parse import urlparse

import django
from django.conf import settings

url = urlparse(sys.argv[1])
folder = sys.argv[2]
sys.path.insert(0, folder)
os.makedirs(os.path.join(folder, "shop"))
open(os.path.join(folder, "shop", "__init__.py"), "w").close()
with open(os.path.join(folder, "shop", "models.py"), "w") as models:
    models.write('''
from django.db import models


class Customer(models.Model):
    name = models.CharField(max_length=80, db_index=True)
    email = models.EmailField(unique=True)
    notes = models.JSONField(default=dict)

    class Meta:
        app_label = "shop"
        constraints = [models.CheckConstraint(check=~models.Q(name=""), name="named")]


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    total = models.DecimalField(max_digits=8, decimal_places=2)
    tags = models.ManyToManyField("Tag")

    class Meta:
        app_label = "shop"


class Tag(models.Model):
    name = models.SlugField(primary_key=True)

    class Meta:
        app_label = "shop"
''')

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "shop"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path[1:],
            "USER": url.username,
            "PASSWORD": url.password,
            "HOST": url.hostname,
            "PORT": url.port,
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SECRET_KEY="of a test",
    USE_TZ=True,
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import Count, F, Q, Sum  # noqa: E402
from shop.models import Customer, Order, Tag  # noqa: E402


def manage(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


manage("makemigrations", "shop")
migrated = manage("migrate")
manage("migrate")

# A second migration: a column, filled in Python, within one transaction.
with open(os.path.join(folder, "shop", "migrations", "0002_loyal.py"), "w") as migration:
    migration.write('''
from django.db import migrations, models


def fill(apps, schema_editor):
    customers = apps.get_model("shop", "Customer")
    customers.objects.create(name="Ada", email="ada@example.com")
    customers.objects.filter(name="Ada").update(loyal=True)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddField("Customer", "loyal", models.BooleanField(null=True, default=False)),
        migrations.AlterField("Order", "total", models.DecimalField(max_digits=10, decimal_places=2)),
        migrations.RunPython(fill),
        migrations.AddIndex("Customer", models.Index(fields=["loyal", "name"], name="loyal_name")),
        migrations.RenameField("Tag", "name", "label"),
        migrations.RenameField("Tag", "label", "name"),
    ]
''')
migrated += manage("migrate")

with transaction.atomic():
    bob = Customer.objects.create(name="Bob", email="bob@example.com", notes={"a": [1, None]})
    try:
        with transaction.atomic():
            Customer.objects.create(name="Bob", email="bob@example.com")
    except django.db.IntegrityError:
        pass
    order = Order.objects.create(customer=bob, total="12.50")
    order.tags.set([Tag.objects.create(name=name) for name in ("new", "big")])

orders = list(
    Order.objects.filter(Q(customer__name__icontains="bo") | Q(total__gt=F("id")))
    .annotate(many=Count("tags"))
    .values("customer__name", "total", "many")
)
sums = Order.objects.aggregate(Sum("total"))
notes = list(Customer.objects.filter(notes__a__0=1).values_list("name", "notes"))

with connection.cursor() as cursor:
    tables = sorted(connection.introspection.table_names(cursor))
    constraints = {
        table: connection.introspection.get_constraints(cursor, table)
        for table in tables
    }
print(
    json.dumps(
        {
            "migrated": migrated,
            "orders": orders,
            "sums": sums,
            "notes": notes,
            "inspected": manage("inspectdb"),
            "constraints": constraints,
        },
        default=str,
        sort_keys=True,
    )
)
