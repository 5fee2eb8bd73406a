def write_page(study, directory):
    return directory / "search.html"
