// How a message is meant: its colour and its icon.

export type Tone = 'good' | 'warning' | 'bad' | 'info' | 'quiet'
