"""LangGraph's store on Statehouse; `statehouse_langgraph.StatehouseStore` is the way in."""
