// A small shop with everything that dumps get wrong: odd names, blobs, views, triggers, functions, partitions.

export const ODD_DATABASES = [
  'plain',
  "it's a /slash",
  '-rf',
  '--file=x',
  'host=attacker dbname=plain',
  'postgres://elsewhere/plain',
  'line\nbreak',
  'ünïcode 日本',
  'back\\slash "quoted" %41',
  'x'.repeat(63),
  '/'.repeat(63),
]

export const SHOP = `
create schema "-odd; schema";
create type mood as enum ('fine', 'so ''so''', 'naß');
create domain price as numeric(12, 2) check (value >= 0);
create sequence tickets start 1000 increment 7;
create table customers (
  id bigint generated always as identity primary key,
  name text not null, mood mood default 'fine', tags text[] default '{}',
  facts jsonb, upper_name text generated always as (upper(name)) stored
);
comment on table customers is E'who buys\\nand who doesn''t';
create table "Wörter ""quoted"" / slash" (
  "a column; drop table x" int primary key, picture bytea, "select" text unique
);
create table orders (
  id int not null, placed date not null, customer bigint references customers,
  total price, primary key (id, placed)
) partition by range (placed);
create table orders_2025 partition of orders for values from ('2025-01-01') to ('2026-01-01');
create table orders_2026 partition of orders for values from ('2026-01-01') to ('2027-01-01');
create table "-odd; schema".audit (at timestamptz default now(), what text);
create table empty_one (nothing int);
create index on customers using gin (facts);
create view recent as select * from orders where placed > '2025-06-01';
create materialized view totals as
  select customer, sum(total) as total from orders group by customer;
create function audit() returns trigger language plpgsql as $body$
begin
  insert into "-odd; schema".audit (what) values (tg_op || ' \\ ''quoted'' $$ ' || new.id);
  return new;
end $body$;
create trigger audited after insert on orders for each row execute function audit();
create rule no_delete as on delete to customers do instead nothing;
alter table customers enable row level security;
create policy visible on customers for select using (true);

insert into customers (name, mood, tags, facts)
  select E'customer\\t' || n || E'\\n\\\\N', (array['fine', 'so ''so''', 'naß'])[1 + n % 3]::mood,
    array['a,b', '"', null, '{}'], jsonb_build_object('n', n, 'text', repeat('ü', n % 50))
  from generate_series(1, 5000) n;
insert into "Wörter ""quoted"" / slash"
  select n, decode(repeat(md5(n::text), n % 300), 'hex'), nullif('w' || n, 'w7')
  from generate_series(1, 1000) n;
insert into orders select n, date '2025-01-01' + n % 700, 1 + n % 5000, n / 3.0
  from generate_series(1, 8000) n;
insert into customers (name) values ('\\.'), (''), (E'\\r\\n');
refresh materialized view totals;
select nextval('tickets'), lo_from_bytea(700001, decode(repeat('00ff0d0a5c2e', 20000), 'hex')),
  lo_from_bytea(700002, '');
`

/** `schema.table=rows` of all tables and materialized views. */
export const ROW_COUNTS = `
select string_agg(format('%s=%s', c.oid::regclass, (xpath('/row/c/text()',
    query_to_xml(format('select count(*) as c from %s', c.oid::regclass), false, true, '')))[1]),
  ' ' order by c.oid::regclass::text)
from pg_class c join pg_namespace n on n.oid = relnamespace
where relkind in ('r', 'm', 'p') and nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`
