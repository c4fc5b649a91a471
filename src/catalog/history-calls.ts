// The part of the catalog's interface that knows files across archives.

// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- filled by the history of files
export interface HistoryCalls {}
