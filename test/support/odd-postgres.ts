// A PostgreSQL server with what makes restoring hard: roles with memberships and settings, names that hold
// quotes, equal signs, newlines and whole connection strings, large objects, partitions, policies, triggers,
// a default in a function, settings and grants of the database itself.

import type { PostgresServer } from './postgres-server.ts'

export const ODD_NAME = `odd "na'me\n=x postgres://other`

export async function fillOddServer(server: PostgresServer): Promise<void> {
  await server.sql(`
    create role app_owner login password 'app''s own';
    create role "Read Only" nologin;
    create role reader in role "Read Only" login valid until '2099-01-01';
    alter role reader set search_path to shop, public;
    comment on role reader is 'reads; nothing else
-- and no comment';
    create database app owner app_owner;
    create database ${quoted(ODD_NAME)} template template0 lc_collate 'C' lc_ctype 'C';
    create database empty_one;
    alter database app set timezone to 'Pacific/Chatham';
    revoke connect on database app from public;
    grant connect on database app to "Read Only";
    comment on database app is 'the shop';`)
  await server.sql(APP, 'app')
  await server.sql(
    `create table "it's = a \\ table" ("c""1" text); insert into "it's = a \\ table" values ($$x;'y$$)`,
    ODD_NAME,
  )
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

const APP = `
  set role app_owner;
  create schema shop;
  create type shop.state as enum ('new', 'paid; shipped', 'it''s back');
  create domain shop.cents as bigint check (value >= 0);
  create table shop.customer (
    id bigint generated always as identity primary key, name text not null unique, seen timestamptz);
  create table shop.orders (
    id bigint not null, customer bigint not null references shop.customer, placed date not null,
    total shop.cents not null, state shop.state not null default 'new', photo bytea,
    primary key (id, placed)) partition by range (placed);
  create table shop.orders_2025 partition of shop.orders for values from ('2025-01-01') to ('2026-01-01');
  create table shop.orders_2026 partition of shop.orders for values from ('2026-01-01') to ('2027-01-01');
  create function shop.touch() returns trigger language plpgsql as $fn$
    begin update shop.customer set seen = '2026-01-02 03:04:05+00' where id = new.customer; return new; end $fn$;
  create trigger touch after insert on shop.orders for each row execute function shop.touch();
  create view shop.turnover as select customer, sum(total) as cents from shop.orders group by customer;
  create materialized view shop.turnover_kept as select * from shop.turnover;
  alter table shop.customer enable row level security;
  create policy everybody on shop.customer for select to "Read Only" using (true);
  grant usage on schema shop to "Read Only";
  grant select on all tables in schema shop to "Read Only";
  alter default privileges in schema shop grant select on tables to "Read Only";
  comment on table shop.orders is 'what was ordered';
  insert into shop.customer (name) select 'customer ' || n || E' \\t\\\\ \\u00e9\\u20ac\\n' from generate_series(1, 500) n;
  insert into shop.orders select n, 1 + n % 500, date '2025-06-01' + n % 500, n, 'paid; shipped',
    (select decode(string_agg(md5((n * 100 + m)::text), ''), 'hex') from generate_series(1, 40) m)
    from generate_series(1, 20000) n;
  refresh materialized view shop.turnover_kept;
  reset role;
  select lo_from_bytea(0, repeat('large ', 50000)::bytea);
  select setval(pg_get_serial_sequence('shop.customer', 'id'), 4711);
`
