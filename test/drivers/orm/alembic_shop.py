"""Migrates a database with Alembic, reflects it and uses it with SQLAlchemy. Prints what it sees as JSON."""
import json
import os
import sys

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.orm import Session, declarative_base, relationship

url, folder = sys.argv[1:3]
url = url.replace("postgres://", "postgresql+psycopg2://")
os.makedirs(os.path.join(folder, "versions"))

with open(os.path.join(folder, "env.py"), "w") as env:
    env.write('''
from alembic import context
from sqlalchemy import create_engine

engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()
''')
with open(os.path.join(folder, "versions", "1_first.py"), "w") as first:
    first.write('''
import sqlalchemy as sa
from alembic import op

revision, down_revision = "1", None


def upgrade():
    customers = op.create_table(
        "customers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("state", sa.Enum("new", "loyal", name="state"), server_default="new"),
    )
    op.bulk_insert(customers, [{"name": "Ada"}, {"name": "Bob"}])
    op.create_index("customers_name", "customers", ["name"])
''')
with open(os.path.join(folder, "versions", "2_second.py"), "w") as second:
    second.write('''
import sqlalchemy as sa
from alembic import op

revision, down_revision = "2", "1"


def upgrade():
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("customer", sa.Integer, sa.ForeignKey("customers.id", ondelete="CASCADE"), nullable=False),
        sa.Column("total", sa.Numeric(8, 2)),
        sa.Column("placed", sa.DateTime(timezone=True), server_default=sa.func.now()),
    )
    op.add_column("customers", sa.Column("email", sa.Text))
    op.execute("UPDATE customers SET email = lower(name) || '@example.com' WHERE email IS NULL")
    op.alter_column("customers", "email", nullable=False)
    op.create_unique_constraint("customers_email", "customers", ["email"])
    connection = op.get_bind()
    for (id,) in connection.execute(sa.text("SELECT id FROM customers ORDER BY id")).fetchall():
        connection.execute(sa.text("INSERT INTO orders (customer, total) VALUES (:id, 10)"), {"id": id})
''')

config = Config()
config.set_main_option("script_location", folder)
config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
command.upgrade(config, "head")
command.upgrade(config, "head")

engine = sa.create_engine(url)
inspector = sa.inspect(engine)
inspected = {
    table: {
        "columns": inspector.get_columns(table),
        "indexes": inspector.get_indexes(table),
        "keys": [inspector.get_pk_constraint(table), inspector.get_foreign_keys(table)],
        "unique": inspector.get_unique_constraints(table),
        "checks": inspector.get_check_constraints(table),
        "comment": inspector.get_table_comment(table),
    }
    for table in sorted(inspector.get_table_names())
}
names = [inspector.get_schema_names(), inspector.get_view_names(), inspector.get_enums(), inspector.default_schema_name]

reflected = sa.MetaData()
reflected.reflect(engine)
with engine.connect() as connection:
    differences = compare_metadata(MigrationContext.configure(connection), reflected)

Base = declarative_base()


class Customer(Base):
    __table__ = reflected.tables["customers"]
    orders = relationship("Order", backref="of", passive_deletes=True)


class Order(Base):
    __table__ = reflected.tables["orders"]


with Session(engine) as session, session.begin():
    eve = Customer(name="Eve", email="eve@example.com", orders=[Order(total=3), Order(total=4)])
    session.add(eve)
    session.flush()
    try:
        with session.begin_nested():
            session.add(Customer(name="Eve", email="eve@example.com"))
    except sa.exc.IntegrityError:
        pass
    eve.orders[0].total = 5
with Session(engine) as session:
    totals = session.execute(
        sa.select(Customer.name, sa.func.sum(Order.total)).join(Customer.orders).group_by(Customer.name).order_by(Customer.name)
    ).all()
    states = [customer.state for customer in session.query(Customer).order_by(Customer.id)]

print(
    json.dumps(
        {"inspected": inspected, "names": names, "differences": differences, "totals": totals, "states": states},
        default=str,
        sort_keys=True,
    )
)
