"""What looks wrong in prices and events, before anything is trained."""
