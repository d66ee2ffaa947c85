"""What the made-up APIs of all sources share. The pipeline itself knows nothing of them."""
