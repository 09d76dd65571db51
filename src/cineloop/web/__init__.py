"""The API that a streaming app calls for every member."""
