"""What makes the graph run itself: each module is one reason why something is done."""
