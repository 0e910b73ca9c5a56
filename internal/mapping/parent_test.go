package mapping_test

const parentArg = "map-parent"

func parent() {}
