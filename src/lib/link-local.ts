// Addresses at which a machine of a cloud tells its own keys to whoever asks (169.254.169.254 and the like),
// and that no server of archives ever has. A name is looked at when it is resolved for the connection, and not
// earlier: what it resolved to before says nothing.

import { lookup } from 'node:dns'
import { BlockList, isIP } from 'node:net'
import type { LookupFunction } from 'node:net'

const BLOCKED = new BlockList()
BLOCKED.addSubnet('169.254.0.0', 16, 'ipv4')
BLOCKED.addSubnet('fe80::', 10, 'ipv6')
// The same service where it has an address of another kind: Alibaba, Azure, AWS and Google by IPv6.
BLOCKED.addAddress('100.100.100.200', 'ipv4')
BLOCKED.addAddress('168.63.129.16', 'ipv4')
BLOCKED.addAddress('fd00:ec2::254', 'ipv6')
BLOCKED.addAddress('fd20:ce::254', 'ipv6')
// 169.254.0.0/16 inside of IPv6: compatible, translated (NAT64), 6to4. Mapped ones BlockList knows itself.
BLOCKED.addSubnet('::a9fe:0', 112, 'ipv6')
BLOCKED.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6')
BLOCKED.addSubnet('2002:a9fe::', 32, 'ipv6')

/** Of an error of `lookupElsewhere`. */
export const LINK_LOCAL_CODE = 'ELINKLOCAL'

/** Whether this is such an address, with or without brackets. Of a name nothing is known: false. */
export function isLinkLocal(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  const family = isIP(address)
  return family !== 0 && BLOCKED.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/** Throws the error of `lookupElsewhere` for an address that needs no lookup. */
export function requireElsewhere(host: string): void {
  if (isLinkLocal(host)) throw refused(host)
}

/** As dns.lookup, for `lookup` of a request: addresses of that kind are left out, and it fails if none remains. */
export const lookupElsewhere: LookupFunction = (hostName, options, callback) => {
  lookup(hostName, { ...options, all: true }, (error, found) => {
    if (error !== null) {
      callback(error, '', 0)
      return
    }
    const good = found.filter(({ address }) => !isLinkLocal(address))
    const [first] = good
    if (first === undefined) callback(refused(hostName, found[0]?.address), '', 0)
    else if (options.all === true) callback(null, good)
    else callback(null, first.address, first.family)
  })
}

function refused(host: string, address?: string): NodeJS.ErrnoException {
  const what = address === undefined ? host : `${host} resolves to ${address}, which`
  return Object.assign(new Error(`${what} is a link-local address or a cloud's own`), {
    code: LINK_LOCAL_CODE,
  })
}
