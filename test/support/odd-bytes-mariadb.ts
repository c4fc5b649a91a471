// Values that a way by statements could change: all pairs of bytes, bytes before a quote or a backslash, and
// character sets in which a second byte looks like either.

export const ODD_TABLES = [
  'pairs',
  'triples',
  'texts',
  'shapes',
  'misc',
  'dynamic',
  'made',
  'bin key',
]

export const ODD_BYTES = `
  create database odd; use odd;
  create table pairs (id int auto_increment primary key, b varbinary(20), bl blob, fx binary(4), bi bit(33));
  insert into pairs (b, bl, fx, bi) select unhex(lpad(hex(seq - 1), 4, '0')),
    concat('x', unhex(lpad(hex(seq - 1), 4, '0')), 'y'), unhex(lpad(hex(seq - 1), 4, '0')), seq * 131071
    from seq_1_to_65536;
  create table triples (b varbinary(3));
  insert into triples select concat(unhex(hex(a.seq)), unhex(hex(b.seq)), x'27')
    from seq_128_to_255 a, seq_128_to_255 b;
  insert into triples select concat(unhex(hex(a.seq)), unhex(hex(b.seq)), x'5c')
    from seq_128_to_255 a, seq_128_to_255 b;
  create table texts (id int auto_increment primary key, l1 varchar(20) character set latin1,
    sj varchar(20) character set sjis, gb varchar(20) character set gbk, b5 varchar(20) character set big5,
    u16 varchar(20) character set utf16, u32 varchar(20) character set utf32,
    u4 varchar(20) character set utf8mb4 collate utf8mb4_bin);
  insert into texts (l1) select unhex(hex(seq)) from seq_128_to_255;
  insert into texts (l1, u4, u16, u32) values
    ('äöü€', _utf8mb4 x'F09F9880', _utf8mb4 x'F09F9880', _utf8mb4 x'F09F9880');
  insert into texts (sj, gb, b5) values (_sjis x'835C', _gbk x'D55C', _big5 x'A55C'),
    (_sjis x'955C27', _gbk x'AF5C27', null);
  create table shapes (id int primary key, g geometry not null, p point);
  insert into shapes values (1, st_geomfromtext('LINESTRING(0 0, 1.5 2.25, 39 92)', 4326), point(0.1, 39)),
    (2, st_geomfromtext('POLYGON((0 0, 0 10, 10 10, 0 0))'), null);
  create table misc (j json, e enum('a', 'ö'), s set('x', 'y'), d decimal(30, 5), f double, u uuid, i inet6,
    t timestamp(6) null, z text compressed, zb blob compressed);
  insert into misc values ('{"a":"ü"}', 'ö', 'x,y', 1234567890123456789.12345, 0.1 + 0.2,
    '123e4567-e89b-12d3-a456-426614174000', '::ffff:1.2.3.4', '2024-01-01 00:00:00.000001',
    repeat('ü', 1000), unhex(repeat('ff27005c0a0d1a', 200)));
  create table dynamic (id int, d blob);
  insert into dynamic values (1, column_create('a', 1, 'b', 'ü', 'c', x'ff00fe'));
  create table made (b varbinary(10), h varchar(40) as (hex(b)) stored, vb varbinary(20) as (concat(b, b)) virtual);
  insert into made (b) values (x'ff27');
  create table \`bin key\` (k varbinary(8) primary key, c varchar(5) character set binary);
  insert into \`bin key\` values (x'ff27005c0a0d1a', x'ff27')`
