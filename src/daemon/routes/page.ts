// The page itself: public, since it knows nothing before somebody has signed in.

import { defineRoute } from '../route.ts'
import type { Route } from '../route.ts'
import { pageFiles } from '../page-files.ts'
import type { PageFileName } from '../page-files.ts'

export const pageRoutes: readonly Route[] = [
  pageRoute('/', 'page.html', 'text/html', 'the page, for people'),
  pageRoute('/app.js', 'app.js', 'text/javascript', 'what the page does'),
  pageRoute('/app.css', 'app.css', 'text/css', 'how the page looks'),
  pageRoute('/icon.svg', 'icon.svg', 'image/svg+xml', 'its icon'),
]

function pageRoute(at: string, name: PageFileName, contentType: string, summary: string): Route {
  return defineRoute({
    ...{ method: 'GET', at, scope: 'public', tag: 'page', summary },
    reply: { status: 200, description: 'A constant of this version', contentType },
    handle: async () => pageFiles()[name],
  })
}
