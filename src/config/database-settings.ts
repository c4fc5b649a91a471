// SOURCE_N_POSTGRES, _MYSQL, _MONGODB and their companions: rows of the table of settings.

import { mongodbUrl, mysqlUrl, postgresUrl } from './database-url.ts'
import { password } from './setting-values.ts'
import type { Settings } from './settings.ts'
import { booleanOrAuto, line } from './values.ts'

export const DATABASE_SETTINGS = {
  POSTGRES: {
    help: 'instead of PATH: PostgreSQL server; all its databases with the roles, or the one that is named',
    otherwise: 'none',
    example: 'postgres://backup@db.example.net:5432/app',
    parse: postgresUrl,
  },
  MYSQL: {
    help: 'instead of PATH: MySQL or MariaDB server; all its databases with the users, or the one that is named',
    otherwise: 'none',
    example: 'mysql://backup@db.example.net:3306/shop',
    parse: mysqlUrl,
  },
  MONGODB: {
    help: 'instead of PATH: MongoDB server; all its databases with the users, or the one that is named',
    otherwise: 'none',
    example: 'mongodb://backup@db.example.net:27017/?authSource=admin',
    parse: mongodbUrl,
  },
  OPLOG: {
    help: 'MongoDB: with what changes meanwhile, so that all is of one moment; auto: if its URL has replicaSet, no database',
    fallback: 'auto',
    example: 'auto',
    parse: booleanOrAuto,
  },
  PASSWORD: {
    help: 'password for the server of databases; never in the URL',
    otherwise: 'what its tools find by themselves',
    example: '',
    parse: password,
    isSecret: true,
  },
  PASSWORD_FILE: {
    help: 'file or systemd credential that holds that password',
    otherwise: 'none',
    example: 'db-password',
    parse: line(1_000),
  },
} as const satisfies Settings
