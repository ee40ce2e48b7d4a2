package store

import "go.mongodb.org/mongo-driver/mongo"

// Presence is the collection "presence": when each user was last heard of. Safe for concurrent use.
type Presence struct{ c *mongo.Collection }
