// The way to an https server through a proxy: CONNECT, then TLS. The package waits for the proxy's answer as long
// as that takes, and Node tells nobody that a request was ended before it had a connection: so whoever opens one
// says when it is over, and the way is given up with it.

import { HttpsProxyAgent } from 'https-proxy-agent'

/** Beside the options of `https.request`, where the agent is a ProxyTunnel. */
export type TunnelOptions = { readonly tunnelEnds?: AbortSignal }

export class ProxyTunnel extends HttpsProxyAgent<string> {
  override connect(
    ...[request, options]: Parameters<HttpsProxyAgent<string>['connect']>
  ): ReturnType<HttpsProxyAgent<string>['connect']> {
    const { tunnelEnds } = options as TunnelOptions
    const usual = this.connectOpts
    // Read by the package before it waits for anything.
    if (tunnelEnds !== undefined) this.connectOpts = { ...usual, signal: tunnelEnds }
    try {
      return super.connect(request, options)
    } finally {
      this.connectOpts = usual
    }
  }
}
