"""The checkpointer: `StatehouseSaver`, and the flows it is made of."""
