// A run as it happens: each source with how far it is, each try at a server, and the story in words.

import { useState } from 'preact/hooks'
import { Progress } from '../parts/bar.tsx'
import { Button } from '../parts/button.tsx'
import { Icon } from '../parts/icon.tsx'
import { Panel } from '../parts/screen.tsx'
import { Badge, Empty, Name, Note } from '../parts/shown.tsx'
import type { Tone } from '../tone.ts'
import type { Attempt, AttemptState, RunModel, SourceProgress, Story } from '../run-model.ts'
import { countText, rateText, sentence, sizeText } from '../text.ts'

export function SourceList({
  model,
  isOver,
}: {
  readonly model: RunModel
  readonly isOver: boolean
}) {
  const named = new Set(model.sources.map(({ file }) => file))
  const others = [...new Set(model.attempts.map(({ file }) => file))].filter(
    (file) => !named.has(file),
  )
  return (
    <ul class="run-sources">
      {others.map((file) => (
        <li key={file} class="run-source">
          <div class="card-head">
            <p class="card-title">
              <Name>{file}</Name>
            </p>
            <Badge tone="info">waited on the disk</Badge>
          </div>
          <AttemptChain attempts={model.attemptsOf(file)} isOver={isOver} />
        </li>
      ))}
      {model.sources.map((source) => (
        <SourceItem key={source.name} source={source} model={model} isOver={isOver} />
      ))}
    </ul>
  )
}

function SourceItem(input: {
  readonly source: SourceProgress
  readonly model: RunModel
  readonly isOver: boolean
}) {
  const { source, model, isOver } = input
  const attempts = source.file === undefined ? [] : model.attemptsOf(source.file)
  return (
    <li class="run-source">
      <div class="card-head">
        <p class="card-title">
          <Name>{source.name}</Name>
        </p>
        <SourceBadge source={source} attempts={attempts} isOver={isOver} />
      </div>
      <PackLine source={source} isOver={isOver} />
      {source.failure !== undefined && (
        <Note tone="bad">
          <p>{sentence(source.failure.message)}</p>
          {source.failure.hint !== undefined && <p class="hint">{sentence(source.failure.hint)}</p>}
        </Note>
      )}
      <AttemptChain attempts={attempts} isOver={isOver} />
    </li>
  )
}

function SourceBadge(input: {
  readonly source: SourceProgress
  readonly attempts: readonly Attempt[]
  readonly isOver: boolean
}) {
  const { source, attempts, isOver } = input
  if (source.state === 'failed') return <Badge tone="bad">failed</Badge>
  if (attempts.some(({ state }) => state === 'stored')) return <Badge tone="good">stored</Badge>
  if (isOver) return <Badge tone="warning">not stored</Badge>
  return (
    <Badge tone="info" icon="busy">
      {source.state === 'packing' ? 'packing' : 'sending'}
    </Badge>
  )
}

function PackLine({
  source,
  isOver,
}: {
  readonly source: SourceProgress
  readonly isOver: boolean
}) {
  const { sourceBytes, expectedBytes, memberCount, bytesPerSecond, state } = source
  const isPacking = state === 'packing' && !isOver
  const share =
    expectedBytes === undefined || expectedBytes === 0 ? undefined : sourceBytes / expectedBytes
  const facts = [
    `${sizeText(sourceBytes)} read`,
    `${countText(memberCount)} files`,
    ...(isPacking && bytesPerSecond !== undefined ? [rateText(bytesPerSecond)] : []),
  ]
  return (
    <>
      {isPacking && <Progress share={share} label={`${source.name}: packing`} />}
      <p class="card-line">{facts.join(' · ')}</p>
    </>
  )
}

const STATES: Readonly<Record<AttemptState, readonly [Tone, string]>> = {
  sending: ['info', 'sending'],
  stored: ['good', 'stored'],
  full: ['warning', 'full'],
  dead: ['bad', 'does not answer'],
  misconfigured: ['bad', 'refuses us'],
  failed: ['bad', 'did not keep it'],
}

/** From server to server, as it went. */
function AttemptChain(input: { readonly attempts: readonly Attempt[]; readonly isOver: boolean }) {
  const { attempts, isOver } = input
  if (attempts.length === 0) return null
  return (
    <ol class="attempts">
      {attempts.map((attempt, index) => (
        <li key={index} class={`attempt attempt-${attempt.state}`}>
          <AttemptItem attempt={attempt} isOver={isOver} />
        </li>
      ))}
    </ol>
  )
}

function AttemptItem({ attempt, isOver }: { readonly attempt: Attempt; readonly isOver: boolean }) {
  const { server, state, sentBytes, totalBytes, bytesPerSecond, message } = attempt
  const isSending = state === 'sending' && !isOver
  const [tone, word] =
    state === 'sending' && isOver ? (['warning', 'broken off'] as const) : STATES[state]
  const share = totalBytes === undefined || totalBytes === 0 ? undefined : sentBytes / totalBytes
  const facts = [
    `${sizeText(sentBytes)}${totalBytes === undefined ? '' : ` of ${sizeText(totalBytes)}`} sent`,
    ...(isSending && bytesPerSecond !== undefined ? [rateText(bytesPerSecond)] : []),
  ]
  return (
    <>
      <p class="attempt-head">
        <Icon name="server" size={16} />
        <Name>{server}</Name>
        <Badge tone={tone} {...(isSending ? { icon: 'busy' as const } : {})}>
          {word}
        </Badge>
      </p>
      {isSending && <Progress share={share} label={`Sending to ${server}`} />}
      <p class="card-line">{facts.join(' · ')}</p>
      {message !== undefined && state !== 'stored' && (
        <p class="card-reason">{sentence(message)}</p>
      )}
    </>
  )
}

// The end is what one looks for; all of it is one press away.
const SHOWN = 200

export function StoryPanel({
  stories,
  isLive,
}: {
  readonly stories: readonly Story[]
  readonly isLive: boolean
}) {
  const [isWhole, setWhole] = useState(false)
  const shown = isWhole ? stories : stories.slice(-SHOWN)
  return (
    <Panel title="Journal">
      {stories.length === 0 && <Empty icon="clock" title="Nothing was told yet" />}
      {shown.length < stories.length && (
        <Button kind="quiet" onPress={() => setWhole(true)}>
          Show the {countText(stories.length - shown.length)} lines before
        </Button>
      )}
      <ol class="stories" aria-live={isLive ? 'polite' : undefined} aria-label="Journal">
        {shown.map((story, index) => (
          <li key={stories.length - shown.length + index} class={`story tone-${story.tone}`}>
            <StoryLine story={story} />
          </li>
        ))}
      </ol>
    </Panel>
  )
}

function StoryLine({ story }: { readonly story: Story }) {
  const { at, tone, text } = story
  return (
    <>
      {at !== undefined && (
        <time dateTime={at} class="story-time">
          {new Date(at).toLocaleTimeString('en-GB')}
        </time>
      )}
      <Icon
        name={
          tone === 'good'
            ? 'good'
            : tone === 'bad'
              ? 'bad'
              : tone === 'warning'
                ? 'warning'
                : tone === 'info'
                  ? 'next'
                  : 'none'
        }
        size={14}
      />
      <span class="story-text">{text}</span>
    </>
  )
}
