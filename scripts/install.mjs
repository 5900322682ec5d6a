// Placeholder of the walking skeleton; the real one finds Node's headers by itself.
