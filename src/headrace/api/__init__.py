"""The HTTP face of Headrace: one file per noun; errors become problem documents in `headrace.api.problems`."""
