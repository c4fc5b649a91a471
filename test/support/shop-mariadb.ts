// A small shop with everything that dumps get wrong: odd names, blobs, views, triggers, routines, events.

export const ODD_DATABASES = [
  'plain',
  "it's a /slash",
  '-rf',
  '--all-databases',
  'globals',
  'host=x',
  'mysql://elsewhere/plain',
  'line\nbreak',
  'ünïcode 日本',
  'back\\slash "quoted" `tick` %41',
  '日'.repeat(40),
]

export const SHOP = `
create table customers (
  id bigint auto_increment primary key, name varchar(200) not null, mood enum('fine', 'so ''so''', 'naß'),
  facts json, upper_name varchar(200) as (upper(name)) stored, made timestamp(6) default now(6)
) default character set utf8mb4 comment 'who buys
and who doesn''t';
create table \`Wörter "quoted" / slash\` (
  \`a column; drop table x\` int primary key, picture longblob, \`select\` varbinary(90), flags bit(9)
);
create table orders (
  id int auto_increment, placed date not null, customer bigint, total decimal(12, 2),
  primary key (id, placed)
) partition by range (year(placed)) (
  partition early values less than (2026), partition late values less than maxvalue
);
create table audit (at timestamp default now(), what text);
create table counters (n int) engine=MyISAM;
create sequence tickets start with 1000 increment by 7;
create view recent as select * from orders where placed > '2025-06-01';
insert into counters values (1), (2), (3);
insert into customers (name, mood, facts) select concat('customer\\t', seq, '\\n\\\\N 😀'),
  elt(1 + seq % 3, 'fine', 'so ''so''', 'naß'), json_object('n', seq, 'text', repeat('ü', seq % 50))
  from seq_1_to_5000;
insert into \`Wörter "quoted" / slash\`
  select seq, unhex(repeat(md5(seq), seq % 300)), unhex('00ff0d0a5c27'), seq % 512 from seq_1_to_1000;
insert into orders (placed, customer, total)
  select date_add('2025-01-01', interval seq % 700 day), 1 + seq % 5000, seq / 3 from seq_1_to_8000;
select nextval(tickets);
delimiter //
create trigger audited after insert on orders for each row
begin
  insert into audit (what) values (concat('insert \\\\ ''quoted'' ', new.id));
end//
create procedure tidy(in days int)
begin
  -- what is old
  delete from audit where at < now() - interval days day;
end//
create function twice(n int) returns int deterministic return 2 * n//
create event nightly on schedule every 1 day do call tidy(30)//
delimiter ;
`
