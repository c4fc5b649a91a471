// The settings of what goes over the network, and of packing it.

import { PARALLEL_SOURCES_MAX } from '../domain/config.ts'
import { proxyUrl } from './setting-values.ts'
import type { Settings } from './settings.ts'
import { boolean, gigabytes, line, megabits, wholeNumber } from './values.ts'

export const TRAFFIC_SETTINGS = {
  UPLOAD_LIMIT_MBIT: {
    help: 'bandwidth of all uploads together, in Mbit/s',
    otherwise: 'no limit',
    example: '50',
    parse: megabits,
  },
  HTTPS_PROXY: {
    help: 'proxy for the way to the servers',
    otherwise: 'none',
    example: 'http://proxy.example.net:3128',
    parse: proxyUrl,
  },
  NO_PROXY: {
    help: 'hosts that are reached without the proxy, separated by commas',
    otherwise: 'none',
    example: 'localhost,.example.net',
    parse: line(2_000),
  },
  ZSTD_LEVEL: {
    help: 'zstd level from 1 (fast) to 19 (small)',
    fallback: '3',
    example: '3',
    parse: wholeNumber(1, 19),
  },
  PARALLEL_SOURCES: {
    help: 'how many sources are archived at the same time; more than one pays where cores are idle',
    fallback: '1',
    example: '2',
    parse: wholeNumber(1, PARALLEL_SOURCES_MAX),
  },
  VERIFY_PACK: {
    help: 'decompress every archive again while it is packed, and compare',
    fallback: 'true',
    example: 'true',
    parse: boolean,
  },
  VERIFY_NIGHTLY_GB: {
    help: 'read back so much of the stored copies after each run, what was never read back first',
    otherwise: 'nothing is read back',
    example: '5',
    parse: gigabytes,
  },
} as const satisfies Settings
