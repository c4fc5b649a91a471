// A rebuild, and the survey before one, in the shape of `reconcile --rebuild --json`.

import { planJson } from './reconcile-plan.ts'
import type { Rebuilt } from './rebuild.ts'
import type { RebuildStart } from './rebuild-snapshot.ts'
import type { RebuildSurvey } from './rebuild-survey.ts'

export function rebuildJson(rebuilt: Rebuilt) {
  const { exit, isComplete, inSpool, servers, plan, problems } = rebuilt
  return {
    ...{ exit, isApplied: true, isComplete, start: startJson(rebuilt.start), inSpool },
    read: servers.map(({ server, added, joined, known, refused }) => ({
      ...{ number: server.number, label: server.label, added, joined, known, refused },
    })),
    ...planJson(plan),
    problems: problems.map(({ code, message }) => ({ code, message })),
  }
}

export function surveyJson({ exit, start, servers, problem }: RebuildSurvey) {
  return {
    ...{ exit, isApplied: false, start: startJson(start) },
    servers: servers.map(({ server, archives, sizeBytes, error }) => ({
      ...{ number: server.number, label: server.label, archives, sizeBytes },
      error: error === undefined ? null : { code: error.code, message: error.message },
    })),
    problems: problem === undefined ? [] : [{ code: problem.code, message: problem.message }],
  }
}

function startJson({ from, name, archives, warnings }: RebuildStart) {
  return { from, snapshot: name ?? null, archives, warnings }
}
