"""A folder on its way to the Hugging Face Hub: checked, compared with what is there, sent, tagged, read back."""
