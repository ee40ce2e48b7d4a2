package control

// Schema is the version of the documents that this build writes. It goes up when a document can no longer be understood
// by the release before; fields that are only added leave it as it is.
const Schema = 1
