package store

import "go.mongodb.org/mongo-driver/mongo"

// Negotiations is the collection "negotiations": the SDP of each connection. Safe for concurrent use.
type Negotiations struct{ c *mongo.Collection }
