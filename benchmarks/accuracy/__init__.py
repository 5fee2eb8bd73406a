"""What a recipe reaches, over seeds, against others, taken apart."""
